"""The study file: reading, validation, names and the fingerprint."""

import json
import math
from pathlib import Path

import pytest

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.study_file import StudyFile, checked_name
from lightsearch.declare.validation import validate
from lightsearch.errors import UserError
from lightsearch.study import sampler_checks
from lightsearch.study.stored import differences
from tests.conftest import ROOT, digits

DIGITS = ROOT / "studies" / "digits.toml"


def mistakes(*overrides: str) -> list[str]:
    study_file, found = validate(read_declaration(DIGITS, list(overrides)))
    assert (study_file is None) == bool(found)
    return [str(mistake) for mistake in found]


@pytest.mark.parametrize("file", sorted((ROOT / "studies").glob("*.toml")), ids=lambda file: file.stem)
def test_shipped_studies_are_valid_and_open_with_their_command(file: Path) -> None:
    study_file, found = validate(read_declaration(file, []))
    assert not found
    assert study_file is not None
    assert study_file.name == file.stem
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# python -m search.run --study studies/{file.name} --n-trials 50"


def test_every_mistake_is_reported_at_once_with_its_hint() -> None:
    assert mistakes(
        "trianer.x=1",
        "space.model.hidden_size={int=[5, 1]}",
        "space.data.batch_size.coice=[1]",
        'trainer.max_epochs="ten"',
        "model.class_path=Classifier",
        "metric=3",
    ) == [
        "metric = 3: should be a valid string",
        "model.class_path = 'Classifier': write package.module.Class",
        "space.model.hidden_size = {'int': [5, 1]}: the lower bound 5 is above the upper bound 1; swap them",
        'space.data.batch_size.coice = [1]: unknown key; did you mean "choice"?',
        "trainer.max_epochs = 'ten': should be a valid integer",
        "trianer = {'x': 1}: unknown key; did you mean \"trainer\"?",
    ]


def test_a_missing_section_is_named() -> None:
    declared = read_declaration(DIGITS, [])
    del declared["model"]
    assert [str(mistake) for mistake in validate(declared)[1]] == ["model = None: is missing; add it"]


def test_an_enqueued_parameter_must_be_in_the_space() -> None:
    assert mistakes("enqueue=[{hiden_size=3}]") == ['enqueue[0].hiden_size = 3: did you mean "hidden_size"?']


def test_overrides_are_toml_and_bare_words_are_strings() -> None:
    study_file = digits(
        "trainer.max_epochs=3", "data.init_args.dataset=mnist", "trainer.precision=bf16-mixed", "direction=minimize"
    )
    assert study_file.trainer.keywords == {"max_epochs": 3, "devices": 1, "precision": "bf16-mixed"}
    assert study_file.data.init_args == {"dataset": "mnist", "val_size": 0.2}
    assert study_file.mode == "min"


def test_a_parameter_is_replaced_as_a_whole() -> None:
    assert digits("space.model.hidden_size={int=[8, 16]}").space.model["hidden_size"].log is False  # type: ignore[union-attr]


@pytest.mark.parametrize("override", ["trainer.max_epochs", "=3", "a b=3", "x=[1,"])
def test_a_malformed_override(override: str) -> None:
    with pytest.raises(UserError, match="write key=value"):
        read_declaration(DIGITS, [override])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_declaration(tmp_path / "none.toml", [])
    (tmp_path / "bad.toml").write_text("name = \n")
    with pytest.raises(UserError, match=r"not valid TOML.*line 1"):
        read_declaration(tmp_path / "bad.toml", [])
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        read_declaration(tmp_path / "binary.toml", [])


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "windows.toml").write_bytes(b"\xef\xbb\xbf" + DIGITS.read_bytes().replace(b"\n", b"\r\n"))
    assert read_declaration(tmp_path / "windows.toml", []) == read_declaration(DIGITS, [])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("x = " + "[" * 100_000, "more than 32 levels"),
        ("x = " + "{a=" * 100_000, "more than 32 levels"),
        ("x" + ".a" * 5000 + " = 1", "more than 32 levels"),
        ("x = " + "[" * 40 + "]" * 40, "more than 32 levels"),
        ("x = " + "1" * 10_000, "is not valid TOML"),
        ("# " + "x" * 1_000_000, "is larger than 1,000,000 bytes"),
        ("objective = 'a.b'\ngiven = 'x'", "given = 'x': unknown key"),
        ("[model]\nclass_path = 'a.B'\ngiven = 'x'", "model.given = 'x': unknown key"),
    ],
    ids=["lists", "tables", "keys", "just too deep", "digits", "huge", "a pickle", "a class's pickle"],
)
def test_bombs_are_one_line(tmp_path: Path, content: str, line: str) -> None:
    (tmp_path / "bomb.toml").write_text(content)
    with pytest.raises(UserError, match=line) as refused:
        read_declaration(tmp_path / "bomb.toml", [])
    assert len(refused.value.mistakes) == 1


@pytest.mark.parametrize(
    "override", ["x=" + "[" * 100_000, "x" + ".a" * 5000 + "=1", "model.given='x'", "x=1\ny = 2", "x\n[y]\nz=1"]
)
def test_overrides_are_as_careful(override: str) -> None:
    with pytest.raises(UserError) as refused:
        read_declaration(DIGITS, [override])
    assert len(refused.value.mistakes) == 1


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no file"):
        read_declaration(tmp_path, [])


WRONG = (None, True, 0, -1, 1.5, math.nan, math.inf, -math.inf, 2**80, 10**400, 1e308, "", "ten", "x" * 600)
WRONG += ([], [1], ["a"], [[1]], [None], {}, {"a": 1}, {"a": {"b": [1]}}, {1: 2}, object(), (1, 2))  # type: ignore[assignment]
LEAVES = (
    *("name", "seed", "metric", "direction", "keep_top_k", "baseline", "enqueue", "objective", "given", "unknown"),
    *("learn_from", "space.model.hidden_size.prior", "space.data.batch_size.prior", "space.model.widths.prior"),
    *("data", "data.class_path", "data.init_args", "data.given", "data.init_args.dataset"),
    *("model", "model.class_path", "model.init_args", "logger", "logger.class_path", "callbacks", "space.callbacks"),
    *("config", *(f"config.{name}" for name in ("file", "cli", "content", "folder", "unknown")), "space.config"),
    *("init_from", "init_from.path", "init_from.strict", "init_from.sha256"),
    *("space", "space.model", "space.trainer", "space.model.hidden_size", "space.model.hidden_size.when"),
    *("space.model.hidden_size.int", "space.model.hidden_size.log", "space.model.hidden_size.step"),
    *("space.model.learning_rate.float", "space.model.learning_rate.step", "space.data.batch_size.choice"),
    *("space.model.widths.list", "space.model.widths.length", "space.model.widths.list.int"),
    *("trainer", *(f"trainer.{name}" for name in ("max_epochs", "patience", "min_delta", "save_top_k", "devices"))),
    *("trainer.unknown", "constraints", "constraints.parameters", "constraints.latency_ms"),
    *("stop", *(f"stop.{name}" for name in ("patience", "min_delta", "value", "min_gain", "horizon", "unknown"))),
    *("sampler", "sampler.name", "sampler.init_args", "pruner", "pruner.name", "pruner.init_args"),
    *("scheduler", *(f"scheduler.{name}" for name in ("name", "min_epochs", "reduction_factor", "unknown"))),
    *("validation", "validation.seeds", "validation.folds", "validation.unknown"),
)


@pytest.mark.parametrize("field", LEAVES)
def test_whatever_a_key_is_given_is_taken_or_a_line(field: str) -> None:
    for wrong in WRONG:
        declared = read_declaration(DIGITS, ["space.model.widths={list={int=[1, 2]}, length=2}"])
        declared["space"]["model"]["learning_rate"] = {"float": [0.1, 0.2]}
        if field.endswith(".step"):
            del declared["space"]["model"]["hidden_size"]["log"]
        *outer, key = field.split(".")
        table = declared
        for name in outer:
            table = table.setdefault(name, {})
        table[key] = wrong
        study_file, found = validate(declared)
        if field.startswith(("space", "sampler", "pruner", "metric", "direction", "objective")):
            found += sampler_checks.check(declared)
        for mistake in found:
            assert "\n" not in str(mistake)
            assert ": " in str(mistake)
        if not found:  # then it can be kept with a study and compared, as it is
            assert study_file is not None
            kept = json.loads(json.dumps(study_file.fingerprint()))
            assert differences(kept, study_file.fingerprint()) == [], wrong


def test_every_key_of_the_schema_is_among_them() -> None:
    for name, key in StudyFile.model_fields.items():
        assert (key.alias or name) in LEAVES, name


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("seed=1.5", "seed = 1.5: should be a valid integer"),
        ("seed=true", "seed = True: should be a valid integer"),
        ("seed=-1", "seed = -1: should be greater than or equal to 0"),
        ("sampler=3", "sampler = 3: should be a table; write { key = value, ... }, or [sampler] with its keys below"),
        ("space.model.hidden_size.int=3", "space.model.hidden_size.int = 3: should be a list"),
        ("space.model.x={choice=[[1]]}", "space.model.x.choice.0 = [1]: write a boolean, a number or a string"),
        (
            "enqueue=[{hidden_size='64'}]",
            "enqueue[0].hidden_size = '64': hidden_size takes whole numbers from 16 to 256",
        ),
        ("enqueue=[{hidden_size=8}]", "enqueue[0].hidden_size = 8: hidden_size takes whole numbers from 16 to 256"),
        ("metric=''", "metric = '': names no metric"),
        ("constraints.latency_ms=inf", "constraints.latency_ms = inf: should be a finite number"),
    ],
)
def test_values_that_are_wrong(override: str, line: str) -> None:
    (mistake,) = mistakes(override)
    assert mistake.startswith(line)


def test_an_argument_that_cannot_be_kept_is_refused() -> None:
    declared = read_declaration(DIGITS, [])
    declared["model"]["init_args"] = {"activation": object}
    (mistake,) = validate(declared)[1]
    assert "activation is a type, which cannot be kept with the study" in str(mistake)


@pytest.mark.parametrize("name", ["mnist", "a", "mnist-2", "v1.2_b", "x" * 64])
def test_good_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\0b",
        "x" * 600,
        "<script>",
        "a..b",
        ".hidden",
        "a b",
        "-rf",
        "é",
        "a\n",
        "x.toml",
    ],
)
def test_dangerous_names(name: str) -> None:
    with pytest.raises(ValueError, match=r"letters \(a to z\), digits|as a file"):
        checked_name(name)


def test_a_string_is_the_name_of_a_sampler_or_a_scheduler() -> None:
    assert digits("sampler=RandomSampler").sampler == digits("sampler.name=RandomSampler").sampler
    assert digits("scheduler=asha").scheduler == digits("scheduler.name=asha").scheduler


def test_the_fingerprint_holds_what_shapes_results_only() -> None:
    study_file = digits("trainer.accelerator=cpu", "trainer.gradient_clip_val=1.0")
    print_ = study_file.fingerprint()
    assert print_["trainer"]["gradient_clip_val"] == 1.0
    assert "accelerator" not in print_["trainer"]
    assert "sampler" not in print_
    assert digits("keep_top_k=9", "sampler.name=RandomSampler").fingerprint() == digits().fingerprint()
    assert digits("seed=1").fingerprint() != digits().fingerprint()
