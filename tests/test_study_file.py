from pathlib import Path

import pytest

from lightsearch.errors import UserError
from lightsearch.study_file import checked_name, read_declaration, validate
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


def test_every_mistake_is_reported_at_once_with_its_mend() -> None:
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
    with pytest.raises(UserError, match=r"no valid TOML.*line 1"):
        read_declaration(tmp_path / "bad.toml", [])
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        read_declaration(tmp_path / "binary.toml", [])


@pytest.mark.parametrize("name", ["mnist", "a", "mnist-2", "v1.2_b", "x" * 64])
def test_good_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\0b", "x" * 600, "<script>", "a..b", ".hidden", "a b", "-rf", "é", "a\n"]
)
def test_dangerous_names(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        checked_name(name)


def test_the_fingerprint_holds_what_shapes_results_only() -> None:
    study_file = digits("trainer.accelerator=cpu", "trainer.gradient_clip_val=1.0")
    print_ = study_file.fingerprint()
    assert print_["trainer"]["gradient_clip_val"] == 1.0
    assert "accelerator" not in print_["trainer"]
    assert "sampler" not in print_
    assert digits("keep_top_k=9", "sampler.name=RandomSampler").fingerprint() == digits().fingerprint()
    assert digits("seed=1").fingerprint() != digits().fingerprint()
