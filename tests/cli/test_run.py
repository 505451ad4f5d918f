"""The main job as a stranger starts it: real commands, real processes, real training."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from lightsearch import Classifier
from lightsearch.atomic_files import file_digest
from lightsearch.outcome import Outcome
from tests.conftest import command, enter
from tests.data.test_data import needs_mnist

QUICK = ("--set", "trainer.max_epochs=4", "--set", "pruner={name='NopPruner'}")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study of six trials."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("searched"), patch)
    done = command("run", "--n-trials", 6, *QUICK, cwd=place, fresh=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (place / "output.txt").write_text(done.stdout)
    return place


def load(place: Path, name: str = "digits") -> optuna.Study:
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name=name)


def results(place: Path, name: str = "digits") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / "studies" / name / "results.json").read_text())
    return content


def test_plain_lines_one_a_trial_and_the_next_commands(searched: Path) -> None:
    lines = (searched / "output.txt").read_text().splitlines()
    trials = [
        line for line in lines if re.match(r"\[\d/6\] trial \d complete 0\.\d+ \(best epoch \d, \d trained, ", line)
    ]
    assert [line[1] for line in trials] == list("123456")
    assert all("hidden_size=" in line and "| best 0." in line and "to go" in line for line in trials)
    assert any(line.startswith("digits: done. 6 complete") for line in lines)
    assert any("python -m search.evaluate --study digits" in line for line in lines)
    assert any("optuna-dashboard sqlite:///studies/studies.db" in line for line in lines)
    assert not any(re.search("GPU available|Trainer|warn", line) for line in lines)


def test_the_study_holds_learning_curves_and_the_best_epochs_value(searched: Path) -> None:
    study = load(searched)
    assert len(study.trials) == 6
    for trial in study.trials:
        assert trial.state is optuna.trial.TrialState.COMPLETE
        assert list(trial.intermediate_values) == [0, 1, 2, 3]
        assert trial.value == max(trial.intermediate_values.values())


def test_a_trials_folder(searched: Path) -> None:
    best = results(searched)["best"]
    folder = searched / "studies" / "digits" / f"trial-{best['number']:04d}"
    assert {"best.ckpt", "last.ckpt", "epochs.csv", "result.json", "log.txt"} == {
        file.name for file in folder.iterdir() if not file.name.startswith(".")
    }
    outcome = Outcome.model_validate_json((folder / "result.json").read_text())
    assert outcome.value == best["value"] == outcome.metrics["val_acc"]
    assert outcome.sha256 == file_digest(folder / "best.ckpt")
    model = Classifier.load_from_checkpoint(folder / "best.ckpt", weights_only=True)
    assert model.hparams["hidden_size"] == outcome.params["hidden_size"]
    assert model(torch.rand(3, 1, 8, 8)).shape == (3, 10)


def test_checkpoints_are_kept_for_the_leaders_only(searched: Path) -> None:
    leaders = {entry["number"] for entry in results(searched)["leaders"][:5]}
    kept = {int(file.parent.name[-4:]) for file in (searched / "studies" / "digits").glob("*/best.ckpt")}
    assert kept == leaders


def test_results_hold_what_a_reader_needs(searched: Path) -> None:
    content = results(searched)
    assert content["counts"] == {"states": {"complete": 6}, "kinds": {"complete": 6}}
    assert content["epochs"]["trained"] == content["epochs"]["at_most"] == 24
    assert content["seeds"] == {"study": 42, "split": 42}
    assert (content["data"]["n_train"], content["data"]["n_val"]) == (1150, 288)
    assert len(content["data"]["split_hash"]) == 64
    assert {"python", "torch", "optuna", "lightsearch"} <= content["versions"].keys()
    assert content["runs"][0]["ending"] == "done"
    assert content["wall_seconds"] > 0


def test_the_same_command_again_does_nothing(searched: Path) -> None:
    before = load(searched).trials
    again = command("run", "--n-trials", 6, *QUICK, cwd=searched)
    assert again.returncode == 0
    assert load(searched).trials == before


def test_a_changed_study_is_refused_and_nothing_added(searched: Path) -> None:
    refused = command("run", "--n-trials", 9, "--set", "trainer.max_epochs=5", cwd=searched)
    assert refused.returncode == 2
    assert "trainer.max_epochs: 4 in the study, 5 in the file" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(load(searched).trials) == 6


def test_status(searched: Path) -> None:
    said = command("status", "--study", "digits", cwd=searched)
    assert said.returncode == 0
    assert "by state  6 complete" in said.stdout
    assert f"best      trial {results(searched)['best']['number']} complete" in said.stdout
    assert "digits" in command("status", cwd=searched).stdout
    unknown = command("status", "--study", "digit", cwd=searched)
    assert (unknown.returncode, unknown.stderr.strip()) == (
        2,
        "--study = 'digit': no such study in the storage; there are: digits",
    )


def test_evaluations_are_counted(searched: Path) -> None:
    first, second = (command("evaluate", "--study", "studies/digits.toml", cwd=searched) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    assert "359 samples" in first.stdout
    assert "evaluation number" not in first.stdout
    assert "evaluation number 2 of this study's test set" in second.stdout
    kept = load(searched).user_attrs["test_evaluations"]
    assert [evaluation["ordinal"] for evaluation in kept] == [1, 2]
    assert kept == json.loads((searched / "studies" / "digits" / "test_evaluations.json").read_text())
    assert kept[0]["metrics"] == kept[1]["metrics"]
    low, high = kept[0]["interval"]
    assert low < kept[0]["metrics"]["test_acc"] < high
    assert "tested    2 times" in command("status", "--study", "digits", cwd=searched).stdout


def test_a_damaged_or_missing_checkpoint_is_not_evaluated(searched: Path) -> None:
    checkpoint = searched / "studies" / "digits" / results(searched)["best"]["checkpoint"]
    content = checkpoint.read_bytes()
    before = len(load(searched).user_attrs.get("test_evaluations", []))
    try:
        checkpoint.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        damaged = command("evaluate", cwd=searched)
        checkpoint.unlink()
        missing = command("evaluate", cwd=searched)
    finally:
        checkpoint.write_bytes(content)
    assert (damaged.returncode, missing.returncode) == (2, 2)
    assert "is damaged" in damaged.stderr
    assert "is missing" in missing.stderr
    assert len(load(searched).user_attrs.get("test_evaluations", [])) == before


def test_three_trials_and_three_more_equal_six_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = enter(tmp_path, monkeypatch)
    options = ("--workers", 1, "--set", "trainer.max_epochs=2", "--set", "sampler.init_args.n_startup_trials=2")
    for name, counts in (("once", [6]), ("twice", [3, 6])):
        for count in counts:
            done = command("run", "--name", name, "--n-trials", count, *options, cwd=place)
            assert done.returncode == 0, done.stdout + done.stderr
    once, twice = load(place, "once"), load(place, "twice")
    assert [(trial.params, trial.intermediate_values) for trial in once.trials] == [
        (trial.params, trial.intermediate_values) for trial in twice.trials
    ]
    assert len({trial.params["learning_rate"] for trial in once.trials}) == 6
    checkpoints = [place / "studies" / name / "trial-0005" / "last.ckpt" for name in ("once", "twice")]
    if all(checkpoint.exists() for checkpoint in checkpoints):
        states = [torch.load(checkpoint, weights_only=True)["state_dict"] for checkpoint in checkpoints]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_in_this_process(place: Path) -> None:
    done = command("run", "--workers", 0, "--n-trials", 2, "--set", "trainer.max_epochs=1", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(load(place).trials) == 2


def test_a_timeout_leaves_trials_to_go_on_with(place: Path) -> None:
    endless = (
        "--set",
        "trainer.max_epochs=100000",
        "--set",
        "trainer.patience=0",
        "--set",
        "pruner={name='NopPruner'}",
    )
    stopped = command("run", "--n-trials", 2, "--timeout", 4, *endless, cwd=place)
    assert stopped.returncode == 0, stopped.stderr
    assert "stopped at --timeout" in stopped.stdout
    assert "continue   python -m search.run --n-trials 2 --timeout 4" in stopped.stdout
    trials = load(place).trials
    assert {trial.state.name for trial in trials} == {"WAITING"}
    epochs = [trial.last_step for trial in trials]
    command("run", "--n-trials", 2, "--timeout", 4, *endless, cwd=place)
    trials = load(place).trials
    assert len(trials) == 2
    for trial, before in zip(trials, epochs, strict=True):
        assert before is not None
        assert trial.last_step is not None
        assert trial.last_step > before
        assert list(trial.intermediate_values) == list(range(trial.last_step + 1))


HANGS = """
import time
from lightsearch import Classifier

class Hangs(Classifier):
    def on_train_start(self):
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass
"""


@pytest.mark.slow
def test_a_hanging_trial_is_killed_at_its_time_limit(place: Path) -> None:
    (place / "odd.py").write_text(HANGS)
    done = command(
        "run", "--set", "model.class_path=odd.Hangs", "--n-trials", 3, "--workers", 3, "--trial-timeout", 1, cwd=place
    )
    assert done.returncode == 1
    assert "killed after 1 s" in done.stdout
    failed = [trial for trial in load(place).trials if trial.state is optuna.trial.TrialState.FAIL]
    assert len(failed) >= 3
    assert {trial.user_attrs["kind"] for trial in failed} == {"timeout"}


FAILS = """
from lightsearch import Classifier

class Fails(Classifier):
    def training_step(self, batch):
        if self.current_epoch == 1:
            raise ValueError("no such layer")
        return super().training_step(batch)
"""


def test_the_same_error_again_and_again_stops_the_search_with_its_traceback(place: Path) -> None:
    (place / "odd.py").write_text(FAILS)
    done = command("run", "--set", "model.class_path=odd.Fails", "--n-trials", 20, "--workers", 1, cwd=place)
    assert done.returncode == 1
    assert "stopped: the same failure 3 times in a row" in done.stdout
    assert 'odd.py", line 7, in training_step' in done.stdout
    kinds = [trial.user_attrs["kind"] for trial in load(place).trials]
    assert kinds == ["user_error"] * 3
    (place / "odd.py").write_text(
        FAILS.replace('raise ValueError("no such layer")', "return super().training_step(batch)")
    )
    mended = ("--set", "model.class_path=odd.Fails", "--set", "trainer.max_epochs=1", "--set", "direction=minimize")
    done = command("run", *mended, "--n-trials", 1, "--workers", 1, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the study begins anew; what had begun is kept as the study digits.before-1" in done.stdout
    assert [trial.state.name for trial in load(place).trials] == ["COMPLETE"]
    assert len(load(place, "digits.before-1").trials) == 3
    assert (place / "studies" / "digits.before-1" / "trial-0002" / "log.txt").exists()
    (place / "odd.py").write_text((place / "odd.py").read_text() + "# a comment\n")
    assert "changed since the last run: the source of odd" in command("run", *mended, "--n-trials", 1, cwd=place).stdout


DIVERGES = """
import torch
from lightsearch import Classifier

class Diverges(Classifier):
    def training_step(self, batch):
        loss = super().training_step(batch)
        return loss * torch.tensor(float("nan")) if self.hparams.hidden_size == 16 else loss
"""


def test_a_diverged_trial_fails_alone(place: Path) -> None:
    (place / "odd.py").write_text(DIVERGES)
    done = command(
        "run",
        *("--set", "model.class_path=odd.Diverges", "--set", "enqueue=[{hidden_size=16}]", "--n-trials", 3, *QUICK),
        cwd=place,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    trials = load(place).trials
    assert [trial.user_attrs["kind"] for trial in trials] == ["diverged"] + ["complete"] * 3
    assert trials[0].state is optuna.trial.TrialState.FAIL


def test_every_mistake_is_told_before_anything_is_touched(place: Path) -> None:
    before = sorted(place.rglob("*"))
    refused = command(
        "run",
        *("--set", "trianer.x=1", "--set", "space.model.hidden_size={int=[9, 1]}", "--set", "trainer.max_epoch=3"),
        *("--set", "model.class_path=lightsearch.Clasifier", "--set", "sampler.name=TPE", "--storage", "nonsense"),
        cwd=place,
    )
    assert refused.returncode == 2
    lines = refused.stderr.strip().splitlines()
    fields = [line.split(" = ")[0] for line in lines]
    assert sorted(fields) == sorted(
        ["space.model.hidden_size", "trianer", "sampler.name", "--storage", "model.class_path", "trainer.max_epoch"]
    )
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--set", "model.init_args={hiden=3}"], "model.init_args.hiden = 3: Classifier has no argument hiden"),
        pytest.param(
            ["--set", "space.model.hiden_size={int=[1,2]}"], 'did you mean "hidden_size"?', marks=pytest.mark.slow
        ),
        (["--set", "data.init_args.dataset=digit"], "data.init_args.dataset = 'digit': did you mean \"digits\"?"),
        (["--set", "model.class_path=nowhere.Model"], "model.class_path = 'nowhere.Model': no such module"),
        (
            ["--set", "data.class_path=subprocess.Popen", "--set", "data.init_args={args='touch x', shell=true}"],
            "data.class_path = 'subprocess.Popen': is no LightningDataModule",
        ),
        pytest.param(
            ["--set", "model.class_path=os.system"],
            "model.class_path = 'os.system': os has no class system",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["--set", "model.class_path=builtins.dict"],
            "model.class_path = 'builtins.dict': is no LightningModule",
            marks=pytest.mark.slow,
        ),
        (["--set", "trainer.precision=17"], "the Lightning Trainer says: "),
        (["--set", "data.init_args.val_size=5000"], "data.init_args.val_size = 5000: leave both sides images"),
        (["--study", "studies/mnist.toml", "--data-dir", "nowhere"], "--study studies/digits.toml"),
    ],
)
def test_one_line_a_mistake(place: Path, options: list[str], line: str) -> None:
    refused = command("run", *options, cwd=place)
    assert refused.returncode == 2
    assert line in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (place / "studies" / "studies.db").exists()
    assert not (place / "x").exists()


BROKEN = """
from lightsearch import Classifier

class Broken(Classifier):
    def training_step(self, batch):
        print("printed")
        raise ValueError("no such layer")

class Hides(Classifier):
    def on_validation_epoch_end(self):
        pass
"""


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["model.class_path=odd.Broken"],
            "model.class_path = 'odd.Broken': Broken.training_step raises ValueError: no such layer (odd.py, line 7); "
            "--workers 0 shows the traceback",
        ),
        pytest.param(
            ["model.class_path=odd.Hides"],
            "metric = 'val_acc': is not logged; validation logs nothing",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["trainer.fast_dev_run=true"],
            "trainer.fast_dev_run = True: ends every trial after a batch; leave it out",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["metric=train_loss"],
            "metric = 'train_loss': is logged in training only (on_train_epoch_end), and a search compares trials",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_dry_run_says_it_in_a_line_and_stores_nothing(place: Path, options: list[str], line: str) -> None:
    (place / "odd.py").write_text(BROKEN)
    before = sorted(place.rglob("*"))
    refused = command("run", *(word for option in options for word in ("--set", option)), cwd=place)
    assert refused.returncode == 2
    assert refused.stderr.startswith(line)
    assert len(refused.stderr.splitlines()) == 1
    assert "printed" not in refused.stdout
    assert sorted(path for path in place.rglob("*") if "__pycache__" not in path.parts) == before


def test_unknown_options_and_names(place: Path) -> None:
    for options in (["--bogus"], ["--n-trials", "0"], ["--n-trials", "x"], ["--workers", "some"], ["--study", "nope"]):
        refused = command("run", *options, cwd=place)
        assert refused.returncode == 2, options
        assert "Traceback" not in refused.stderr
    refused = command("evaluate", "--study", "../x", cwd=place)
    assert refused.returncode == 2
    assert "letters, digits" in refused.stderr


@needs_mnist
def test_mnist(place: Path) -> None:
    done = command(
        "run",
        *("--study", "mnist", "--n-trials", 2, "--set", "trainer.max_epochs=2"),
        *("--set", "enqueue=[{hidden_size=64, learning_rate=2e-3, batch_size=128}]"),
        cwd=place,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(place, "mnist")["data"]["n_train"] == 55_000
    assert results(place, "mnist")["best"]["value"] > 0.95
    evaluated = command("evaluate", "--study", "mnist", cwd=place)
    assert "10000 samples" in evaluated.stdout
