"""The search as a user starts it: real commands, real processes, real training."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import torch

from lightsearch import Classifier
from lightsearch.atomic_files import file_digest
from lightsearch.coordinator.request import SearchRequest
from lightsearch.coordinator.stored_result import finished_result
from lightsearch.declare.reading import read_declaration
from lightsearch.declare.validation import validate
from lightsearch.outcome import Outcome
from lightsearch.storage.urls import storage_url
from tests.cli.stored import QUICK, load, results
from tests.conftest import command, enter, environment
from tests.data.test_data import needs_mnist


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study of six trials."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("searched"), patch)
    done = command("run", "--n-trials", 6, *QUICK, cwd=place, fresh=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (place / "output.txt").write_text(done.stdout)
    return place


def test_plain_lines_one_a_trial_and_the_next_commands(searched: Path) -> None:
    lines = (searched / "output.txt").read_text().splitlines()
    trials = [line for line in lines if re.match(r"\[\d/6\] trial \d complete +0\.\d+  best epoch +\d of +\d ", line)]
    assert [line[1] for line in trials] == list("123456")
    assert all("hidden_size=" in line and "| best 0." in line and " so far" in line for line in trials)
    assert "to go" not in trials[-1]
    assert not any("about 0 s to go" in line for line in trials)
    assert any(line.startswith("digits: done. 6 complete") for line in lines)
    assert any("lightsearch evaluate --study digits" in line for line in lines)
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
    assert content["counts"] == {name: {"complete": 6} for name in ("states", "kinds", "status")}
    assert content["epochs"]["trained"] == content["epochs"]["at_most"] == 24
    assert content["seeds"] == {"study": 42, "split": 42}
    assert (content["data"]["n_train"], content["data"]["n_val"]) == (1150, 288)
    assert len(content["data"]["split_hash"]) == 64
    assert {"python", "torch", "optuna", "lightsearch"} <= content["versions"].keys()
    assert content["runs"][0]["ending"] == "done"
    assert content["wall_seconds"] > 0


def test_the_same_command_again_does_nothing(searched: Path) -> None:
    file = searched / "studies" / "digits" / "results.json"
    before = load(searched).trials, file.read_bytes()
    again = command("run", "--n-trials", 6, *QUICK, cwd=searched)
    assert again.returncode == 0
    assert "digits: done. 6 complete" in again.stdout
    assert (load(searched).trials, file.read_bytes()) == before


def test_a_finished_study_is_answered_without_torch_and_without_another_process(searched: Path) -> None:
    code = (
        "import sys, psutil\nfrom lightsearch.cli.app import run\n"
        f"try: run('run', '--n-trials', '6', *{list(map(str, QUICK))})\n"
        "except SystemExit as end: print('STATUS', end.code)\n"
        "print('CHILDREN', len(psutil.Process().children()), 'MODULES', *sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=searched, env=environment(), capture_output=True, text=True, check=True
    )
    assert "digits: done. 6 complete" in ran.stdout
    assert "STATUS 0" in ran.stdout
    assert "CHILDREN 0" in ran.stdout
    assert not {"torch", "pytorch_lightning", "sklearn", "pandas"} & set(ran.stdout.split())


def test_a_study_is_finished_only_if_nothing_has_changed(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(searched)
    overrides = [word for word in QUICK if "=" in str(word)]

    def finished(n_trials: int = 6, artifacts: str | None = None, **changed: object) -> bool:
        declared = read_declaration(Path("studies/digits.toml"), overrides) | changed
        request = SearchRequest(declared, n_trials, storage_url(None), artifacts=artifacts)
        study_file, mistakes = validate(declared)
        assert study_file is not None, mistakes
        return finished_result(request, study_file) is not None

    assert finished()
    assert finished(n_trials=5)
    assert not finished(n_trials=7)
    assert not finished(artifacts="elsewhere")
    assert not finished(seed=43)
    assert not finished(sampler={"name": "RandomSampler"})
    assert not finished(name="another")
    Path("studies/digits/results.json").rename("results.json")
    assert not finished()
    Path("results.json").rename("studies/digits/results.json")


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
    low, high = kept[0]["intervals"]["test_acc"]
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
    options = (
        "--workers",
        1,
        "--set",
        "trainer.max_epochs=2",
        "--set",
        "sampler={name='TPESampler', init_args={n_startup_trials=2}}",
    )
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
    assert "continue   lightsearch run --n-trials 2 --timeout 4" in stopped.stdout
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
