"""Leaders on fresh seeds: the statistics, the choice, and the command with real training."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from scipy import stats

from lightsearch.atomic_files import file_digest, write_json
from lightsearch.confirm import candidates, runs
from lightsearch.confirm.confirmation import CERTAIN, Confirmation
from lightsearch.confirm.ranking import Candidate, rank
from lightsearch.confirm.ranking_table import cells
from lightsearch.confirm.runs import Run, RunOutcome, retraining_seed
from lightsearch.confirm.seed_statistics import probability_better, summarise
from lightsearch.errors import UserError
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.samplers import trial_seed
from tests.conftest import command, enter, environment, start

FIRST, SECOND = [0.981, 0.983, 0.982, 0.984, 0.982], [0.980, 0.982, 0.979, 0.983, 0.981]


def test_the_interval_is_students() -> None:
    mean, sd, interval = summarise(FIRST)
    expected = stats.t.interval(0.95, 4, loc=statistics.fmean(FIRST), scale=stats.sem(FIRST))
    assert mean == pytest.approx(0.9824)
    assert sd == pytest.approx(statistics.stdev(FIRST))
    assert interval == pytest.approx(expected)


def test_the_interval_of_a_share_is_cut_off_where_the_share_ends() -> None:
    one, two = [Candidate(trial=1, params={})], [[outcome(0.97), outcome(0.99)]]
    (accuracy,), (other,) = rank(one, two, "maximize", "val_acc"), rank(one, two, "maximize", "val_reward")
    assert other.interval is not None
    assert other.interval[1] > 1
    assert not other.cut
    assert (accuracy.interval, accuracy.cut) == ((other.interval[0], 1.0), True)
    assert cells(accuracy)[2] == f"{other.interval[0]:.5f} to 1.00000 (clipped)"


def test_one_value_has_no_interval() -> None:
    assert summarise([0.5]) == (0.5, None, None)


def test_the_probability_is_the_complement_of_welchs_p_value() -> None:
    welch = stats.ttest_ind(FIRST, SECOND, equal_var=False, alternative="greater")
    assert probability_better(FIRST, SECOND, "maximize") == pytest.approx(1 - welch.pvalue)
    assert probability_better(FIRST, SECOND, "minimize") == pytest.approx(welch.pvalue)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [([0.5], [0.4, 0.3], None), ([0.5, 0.5], [0.5, 0.5], 0.5), ([0.6, 0.6], [0.5, 0.5], 1.0)],
)
def test_the_probability_without_spread(first: list[float], second: list[float], expected: float | None) -> None:
    assert probability_better(first, second, "maximize") == expected


def outcome(value: float | None, seed: int = 0, kind: Kind = Kind.COMPLETE) -> RunOutcome:
    return RunOutcome(number=0, kind=kind, value=value, best_epoch=4, seed=seed)


def test_ranking_by_the_mean() -> None:
    some = [Candidate(trial=number, params={"x": number}) for number in range(3)]
    values = [[outcome(0.5), outcome(0.7)], [outcome(0.8), outcome(0.6)], [outcome(0.1), outcome(0.2)]]
    assert [one.trial for one in rank(some, values, "maximize")] == [1, 0, 2]
    assert [one.trial for one in rank(some, values, "minimize")] == [2, 0, 1]
    assert rank(some, values, "maximize")[0].best_epochs == 5


def test_one_that_fails_on_a_seed_is_not_chosen_before_one_that_does_not() -> None:
    some = [Candidate(trial=number, params={}) for number in range(2)]
    values = [[outcome(0.9), outcome(None, 7, Kind.DIVERGED)], [outcome(0.5), outcome(0.5)]]
    ranked = rank(some, values, "maximize")
    assert [one.trial for one in ranked] == [1, 0]
    assert ranked[1].values == [0.9]
    assert ranked[1].failures == ["seed 7: diverged"]


def test_the_verdict_says_which_runs_failed() -> None:
    some = [Candidate(trial=number, params={}) for number in range(3)]
    failed = [outcome(0.9), outcome(0.8), outcome(None, 7, Kind.OUT_OF_MEMORY)]
    fine, worst = [[outcome(value) for value in values] for values in ((0.5, 0.6, 0.7), (0.1, 0.2, 0.3))]
    common: dict[str, Any] = {"study": "s", "metric": "val_acc", "versions": {}, "finished": ""}
    common |= {"probability": None, "within_noise": False, "direction": "maximize"}
    found = Confirmation(**common, ranked=rank(some, [failed, fine, worst], "maximize"))
    assert found.chosen.trial == 1
    assert found.verdict.endswith("; trial 0 has a better mean, 0.85000, but 1 of its 3 runs failed")
    assert "trial 2" not in found.verdict
    alone = Confirmation(**common, ranked=rank(some[:1], [failed], "maximize"))
    assert alone.verdict.endswith("; 1 of its 3 runs failed")


def test_fresh_seeds_are_fresh() -> None:
    searched = {trial_seed(42, number) for number in range(5000)}
    retrained = {
        retraining_seed(42, purpose, trial, index)
        for purpose in runs.PURPOSES
        for trial in (None, *range(50))
        for index in range(10)
    }
    assert len(retrained) == 3 * 51 * 10
    assert not searched & retrained


def study_of(*values: tuple[float, dict[str, Any]]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for number, (value, params) in enumerate(values):
        spaces = {name: optuna.distributions.FloatDistribution(0, 1) for name in params}
        told = Outcome(number=number, kind=Kind.COMPLETE, value=value).model_dump(
            mode="json", exclude={"params", "kind"}
        )
        attrs = {"kind": "complete", "result": told}
        study.add_trial(
            optuna.trial.create_trial(value=value, params=params, distributions=spaces, user_attrs=attrs)  # type: ignore[arg-type]
        )
    return study


def test_leaders_are_different_configurations() -> None:
    study = study_of((0.1, {"x": 0.1}), (0.9, {"x": 0.2}), (0.8, {"x": 0.2}), (0.7, {"x": 0.3}))
    found = candidates.leading(study.trials, "maximize", 2, "name")
    assert [one.trial for one in found] == [1, 3]


def test_the_baseline_is_left_out_where_a_leader_has_its_values() -> None:
    leader = Candidate(trial=1, params={"x": 0.2})
    assert candidates.with_baseline([leader], {"x": 0.2}) == [leader]
    assert candidates.with_baseline([leader], None) == [leader]
    assert candidates.with_baseline([leader], {"x": 0.1})[1].label == "the defaults"


def test_a_study_without_a_complete_trial() -> None:
    with pytest.raises(UserError, match="no complete trial yet; run the search first"):
        candidates.leading([], "maximize", 3, "empty")


def a_run(**changes: Any) -> Run:
    given = {"study_uid": "u", "purpose": "confirm", "trial": 3, "index": 0, "seed": 5, "params": {"x": 1}}
    return Run(**{**given, **changes})


def done(run: Run, folder: Path, checkpoint: bytes = b"weights") -> None:
    runs.prepare(run, folder)
    (folder / "best.ckpt").write_bytes(checkpoint)
    digest = file_digest(folder / "best.ckpt")
    ended = RunOutcome(number=3, kind=Kind.COMPLETE, value=0.5, checkpoint="best.ckpt", sha256=digest)
    write_json(folder / "result.json", ended.model_dump(mode="json"))


def test_a_run_that_is_done_is_not_repeated(tmp_path: Path) -> None:
    done(a_run(), tmp_path / "run")
    found = runs.finished(a_run(), tmp_path / "run")
    assert found is not None
    assert found.value == 0.5


def test_a_run_of_another_study_does_not_count(tmp_path: Path) -> None:
    done(a_run(), tmp_path / "run")
    assert runs.finished(a_run(study_uid="another"), tmp_path / "run") is None
    runs.prepare(a_run(study_uid="another"), tmp_path / "run")
    assert {file.name for file in (tmp_path / "run").iterdir()} == {"run.json"}


def test_a_run_whose_checkpoint_is_damaged_does_not_count(tmp_path: Path) -> None:
    done(a_run(), tmp_path / "run")
    (tmp_path / "run" / "best.ckpt").write_bytes(b"weightz")
    assert runs.finished(a_run(), tmp_path / "run") is None
    runs.prepare(a_run(), tmp_path / "run")
    assert {file.name for file in (tmp_path / "run").iterdir()} == {"run.json"}


def test_an_interrupted_run_keeps_its_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runs.prepare(a_run(), folder)
    (folder / "last.ckpt").write_bytes(b"weights")
    runs.prepare(a_run(), folder)
    assert (folder / "last.ckpt").exists()
    for kind, kept in ((Kind.INTERRUPTED, True), (Kind.OUT_OF_MEMORY, False)):
        write_json(folder / "result.json", RunOutcome(number=3, kind=kind).model_dump(mode="json"))
        runs.prepare(a_run(), folder)
        assert (folder / "last.ckpt").exists() == kept
        assert not (folder / "result.json").exists()


def test_a_result_of_an_earlier_attempt_is_told_apart(tmp_path: Path) -> None:
    write_json(tmp_path / "result.json", RunOutcome(number=3, kind=Kind.USER_ERROR, attempt=1).model_dump(mode="json"))
    assert runs.read_result(tmp_path) == runs.read_result(tmp_path, 1) != runs.read_result(tmp_path, 2)
    assert runs.read_result(tmp_path, 2) is None


@pytest.mark.parametrize("module", ["retrain", "reproduce", "ranking", "display", "final"])
def test_nothing_slow_is_imported(module: str) -> None:
    code = f"import sys, lightsearch.confirm.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), text=True, capture_output=True, check=True)
    assert not {"torch", "pytorch_lightning", "scipy", "optuna_dashboard"} & set(done.stdout.split())


# The command, with real training.

QUICK = ("--set", "trainer.max_epochs=3", "--set", "pruner={name='NopPruner'}")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study of four trials."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("searched"), patch)
    ended = command("run", "--n-trials", 4, *QUICK, cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place


def test_leaders_and_defaults_on_fresh_seeds(searched: Path) -> None:
    ended = command("retrain", "--top", 2, "--seeds", 2, cwd=searched)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    confirmed = json.loads((searched / "reports" / "digits" / "confirm.json").read_text())
    assert {one["trial"] for one in confirmed["ranked"]} >= {None}
    means = [one["mean"] for one in confirmed["ranked"]]
    assert len(means) == 3
    assert means == sorted(means, reverse=True)
    for one in confirmed["ranked"]:
        assert one["mean"] == pytest.approx(statistics.fmean(one["values"]))
        assert len(one["values"]) == 2
    assert 0 <= confirmed["probability"] <= 1
    assert re.search(r"chosen: (trial \d|the defaults), val_acc 0\.\d+ \(95% interval", ended.stdout)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == [f"[{n}/6" for n in range(1, 7)] + ["[1/1"]
    assert all(" | best so far " in line and " s so far" in line for line in lines[:6])
    assert "to go" not in lines[5]  # these runs are done
    table = (searched / "reports" / "digits" / "confirm.md").read_text()
    assert "| the defaults |" in table


@pytest.mark.slow
def test_ctrl_c_leaves_130_and_the_same_command_goes_on(searched: Path) -> None:
    words = ("--trial", 0, "--seeds", 4, "--workers", 1, "--output", "elsewhere")
    process = start("retrain", *words, cwd=searched)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("[2/4]"):
            os.killpg(process.pid, signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to continue" in rest
    ended = command("retrain", *words, cwd=searched)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert any(text in ended.stdout for text in ("2 of 4 runs are done already", "3 of 4 runs are done already"))
    assert len(json.loads((searched / "elsewhere" / "confirm.json").read_text())["ranked"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--study", "nope"), "--study = 'nope': no such study in the storage; there are: digits"),
        (("--trial", "99"), "--trial = 99: no such trial; its trials are 0 to 3"),
        (("--output", "/dev/null/there"), "--output = '/dev/null/there': cannot be written to"),
        (("--study", "../up"), "--study = '../up': use at most"),
    ],
)
def test_mistakes_in_one_line_before_any_work(searched: Path, arguments: tuple[str, ...], said: str) -> None:
    ended = command("retrain", *arguments, cwd=searched)
    assert ended.returncode == 2
    assert ended.stderr.startswith(said)
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_the_verdict_says_what_is_within_the_noise() -> None:
    assert CERTAIN == 0.95
    ranked = rank(
        [Candidate(trial=1, params={}), Candidate(trial=None, params={})],
        [[outcome(value) for value in FIRST], [outcome(value) for value in SECOND]],
        "maximize",
    )
    common: dict[str, Any] = {"study": "s", "metric": "val_acc", "direction": "maximize", "versions": {}}
    found = Confirmation(**common, ranked=ranked, probability=0.9, within_noise=True, finished="")
    assert found.verdict.startswith("chosen: trial 1, val_acc 0.98240 (95% interval 0.98")
    assert found.verdict.endswith(
        "it beats the defaults with probability 0.90, so the two are within the noise of the seeds"
    )
