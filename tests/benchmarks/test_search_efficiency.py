"""The yardstick of search efficiency: its clock, its accounting and its methods."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lightsearch.study.schedulers import Curve, Decision, Progress, Scheduler
from tests.benchmarks.search_efficiency import methods
from tests.benchmarks.search_efficiency.__main__ import available
from tests.benchmarks.search_efficiency.accounting import BUDGETS, Summary, regrets, slowdowns, summarise, write_json
from tests.benchmarks.search_efficiency.clock import Assignment, simulate
from tests.benchmarks.search_efficiency.methods import METHODS, OptunaSearch, ScheduledSearch, Stopping
from tests.benchmarks.search_efficiency.priors import prior_of
from tests.benchmarks.search_efficiency.problem import Scale, Trajectory, study_of
from tests.benchmarks.search_efficiency.setup import Setup
from tests.conftest import ROOT, environment

CURVES = {0: [1.0, 5.0, 2.0], 1: [3.0, 4.0, 6.0], 2: [0.0, 0.0, 9.0], 3: [7.0, 7.0, 7.0]}
"""Values of hand-made trials, by number."""
SECONDS = {0: [1.0, 1.0, 1.0], 1: [5.0, 1.0, 1.0], 2: [1.0, 1.0, 1.0], 3: [1.0, 1.0, 1.0]}


class Listed:
    """Hand-made trials one after the other, each up to an epoch; notes what is known when it decides."""

    def __init__(self, plan: Sequence[tuple[int, int]]) -> None:
        self.plan, self.until = list(plan), dict(plan)
        self.known: list[tuple[int, int]] = []
        self.known_at: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def ask(self) -> Assignment | None:
        if not self.plan:
            return None
        number, self.until[number] = step = self.plan.pop(0)
        self.known_at[step] = list(self.known)
        return Assignment(number, {"number": number})

    def report(self, number: int, epoch: int, value: float) -> bool:
        assert value == CURVES[number][epoch - 1]
        self.known.append((number, epoch))
        return epoch < self.until[number]


def train(params: object) -> Trajectory:
    number = params["number"]  # type: ignore[index]
    return Trajectory(np.array(CURVES[number]), np.array(SECONDS[number]))


def test_a_trial_continues_where_it_has_stopped() -> None:
    search = Listed([(0, 2), (1, 1), (0, 3)])
    assert simulate(search, train, workers=1, max_epochs=3, budget=100) == [1.0, 5.0, 3.0, 2.0]
    assert search.known_at[0, 3] == [(0, 1), (0, 2), (1, 1)]


def test_a_trial_ends_with_its_last_epoch_whatever_the_search_wants() -> None:
    assert simulate(Listed([(0, 99), (1, 1)]), train, workers=1, max_epochs=3, budget=100) == [1.0, 5.0, 2.0, 3.0]


def test_the_search_ends_with_its_epochs() -> None:
    assert simulate(Listed([(0, 3), (1, 3)]), train, workers=1, max_epochs=3, budget=4) == [1.0, 5.0, 2.0, 3.0]
    assert simulate(Listed([(0, 3), (1, 3)]), train, workers=2, max_epochs=3, budget=3) == [1.0, 3.0, 5.0]


def test_nothing_is_known_before_its_time() -> None:
    search = Listed([(1, 1), (0, 1), (2, 1), (3, 1)])  # the first epoch of trial 1 takes 5 seconds
    found = simulate(search, train, workers=2, max_epochs=3, budget=100, timed=True)
    assert found == [1.0, 0.0, 7.0, 3.0]
    assert search.known_at[0, 1] == []  # two begin at once
    assert search.known_at[3, 1] == [(0, 1), (2, 1)]


def test_what_ends_at_the_same_time_is_known_before_the_next_decision() -> None:
    search = Listed([(1, 1), (0, 1), (2, 1)])
    simulate(search, train, workers=2, max_epochs=3, budget=100)
    assert search.known_at[2, 1] == [(1, 1), (0, 1)]


def test_regret_follows_the_best_epoch_of_all_and_keeps_it_to_the_end() -> None:
    found = regrets([1.0, 5.0, 2.0, 6.0], Scale(median=4.0, highest=6.0), budget=6)
    assert found.tolist() == [2.5, 0.5, 0.5, 0.0, 0.0, 0.0]


def test_a_summary_reads_the_regret_at_full_trainings() -> None:
    epochs = 2
    one, other = (np.arange(100, dtype=float) + shift for shift in (0, 2))
    summary = summarise([one, other], epochs)
    assert summary.mean == [budget * epochs - 1 + 1 for budget in BUDGETS]
    assert summary.se == pytest.approx([math.sqrt(2) / math.sqrt(2)] * len(BUDGETS))
    assert summary.n == 2
    assert summarise([one], epochs).se is None


def test_slowdowns_compare_the_epochs_to_one_regret() -> None:
    one = np.linspace(1, 0, 50)  # one epoch is a full training
    late = np.concatenate([np.ones(50), one])
    found = slowdowns([one], [late], epochs=1)
    assert found == pytest.approx([(50 + budget) / budget for budget in BUDGETS])
    assert slowdowns([one], [np.ones(100)], epochs=1) == [math.inf] * len(BUDGETS)


def test_the_file_of_summaries_has_the_form_that_is_documented(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    write_json(file, {"default": Summary([0.5, 0.4, 0.3, 0.2, 0.1], [0.05] * 5, 51)})
    assert json.loads(file.read_text()) == {
        "budgets": [2, 5, 10, 20, 50],
        "methods": {"default": {"mean": [0.5, 0.4, 0.3, 0.2, 0.1], "se": [0.05] * 5, "n": 51}},
    }


def test_early_stopping_counts_epochs_without_a_higher_value() -> None:
    stopping = Stopping(patience=2)
    assert [stopping.ends(value) for value in (1.0, 1.0, 2.0, 1.0, 2.0)] == [False, False, False, False, True]
    assert not any(Stopping(patience=0).ends(0.0) for _ in range(9))


class Slope:
    """A problem whose curves rise to the learning rate, to be read without any file."""

    epochs = 9
    space = {"model": {"learning_rate": {"float": [0.0, 1.0]}}}  # noqa: RUF012
    scales = {"slope": Scale(0.5, 1.0)}  # noqa: RUF012

    def objective(self, task: str):  # type: ignore[no-untyped-def]
        steps = np.arange(1, self.epochs + 1) / self.epochs
        return lambda params: Trajectory(float(params["learning_rate"]) * steps, np.ones(self.epochs))


class Halving:
    """Successive halving by promotion: the best third of those that have trained 1 or 3 epochs goes on."""

    RUNGS = ((1, 3), (3, 9))

    def __init__(self) -> None:
        self.seen: list[list[Curve]] = []

    def decide(self, curves: Sequence[Curve], n_new: int) -> Decision | None:
        self.seen.append(list(curves))
        for rung, until in reversed(self.RUNGS):
            there = sorted((curve for curve in curves if curve.epochs >= rung), key=lambda one: -one.values[rung])
            for curve in there[: len(there) // 3]:
                if curve.progress is Progress.PAUSED and curve.epochs == rung:
                    return Decision(curve.number, until, "among the best third")
        return Decision(None, 1, "none is worth it", params={"learning_rate": 0.9} if len(curves) == 4 else None)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_scheduler_pauses_and_continues_trials(workers: int) -> None:
    scheduler = Halving()
    search = ScheduledSearch(study_of(Slope(), 1), scheduler, patience=0)
    found = simulate(search, Slope().objective("slope"), workers=workers, max_epochs=9, budget=200)
    assert len(found) == 200
    trained = {curve.epochs for curve in search.curves.values() if curve.progress is not Progress.RUNNING}
    assert trained == {1, 3, 9}
    assert all(curve.progress is Progress.FINISHED for curve in search.curves.values() if curve.epochs == 9)
    assert sum(len(curve.values) for curve in search.curves.values()) >= 200
    most = max(sum(curve.progress is Progress.RUNNING for curve in curves) for curves in scheduler.seen)
    assert most == workers - 1  # while the last worker is free
    assert search.curves[4].params == {"learning_rate": 0.9}


def test_a_pause_does_not_interrupt_early_stopping() -> None:
    class OneEpochAtATime:
        def decide(self, curves: Sequence[Curve], n_new: int) -> Decision | None:
            waiting = [curve for curve in curves if curve.progress is Progress.PAUSED]
            if waiting:
                return Decision(waiting[0].number, waiting[0].epochs + 1, "it waits")
            return None if curves else Decision(None, 1, "the first")

    search = ScheduledSearch(study_of(Slope(), 1), OneEpochAtATime(), patience=3)
    flat = Trajectory(np.zeros(9), np.ones(9))
    assert len(simulate(search, lambda params: flat, workers=1, max_epochs=9, budget=100)) == 4
    assert search.curves[0].progress is Progress.FINISHED


def test_the_default_is_the_search_with_the_scheduler_of_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Scheduler | None] = [Halving(), None]
    module = SimpleNamespace(make_scheduler=lambda study_file, believed: made.pop(0))
    monkeypatch.setitem(sys.modules, "lightsearch.study.schedulers.choice", module)
    study_file = study_of(Slope(), 1, ["trainer.patience=7"])
    scheduled, plain = (METHODS["default"](Setup(study_file, patience)) for patience in (None, 2))
    assert isinstance(scheduled, ScheduledSearch)
    assert isinstance(scheduled.scheduler, Halving)
    assert scheduled.patience == 0  # freeze-thaw pauses where early stopping would end a trial
    assert isinstance(plain, OptunaSearch)
    assert plain.patience == 2


@pytest.mark.parametrize("name", ["none", *(name for name in METHODS if name.startswith("optuna"))])
def test_own_and_optunas_methods_search(name: str) -> None:
    problem = Slope()
    search = METHODS[name](Setup(study_of(problem, 3)))
    found = regrets(
        simulate(search, problem.objective("slope"), workers=2, max_epochs=9, budget=180), problem.scales["slope"], 180
    )
    assert found[-1] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith(tuple(methods.MODULES))])
def test_the_methods_of_other_packages_search(name: str) -> None:
    if absent := methods.missing(name):
        pytest.skip(f"{absent} is not installed")
    problem = Slope()
    search = METHODS[name](Setup(study_of(problem, 3)))
    found = simulate(search, problem.objective("slope"), workers=1, max_epochs=9, budget=90)
    assert len(found) == 90
    assert max(found) > 0.5


def test_a_guess_is_as_good_as_its_percentile() -> None:
    found = [prior_of(Slope(), "slope", percentile)["learning_rate"] for percentile in (0, 50, 95, 100)]
    assert found == sorted(found)
    assert abs(float(found[1]) - 0.5) < 0.15
    assert prior_of(Slope(), "slope", 95) == {"learning_rate": found[2]}
    assert study_of(Slope(), 3, (), {"learning_rate": 0.9}).space.prior == {"learning_rate": 0.9}


def test_a_search_begins_with_the_guess() -> None:
    problem = Slope()
    search = METHODS["default"](Setup(study_of(problem, 3, (), {"learning_rate": 0.9})))
    assert simulate(search, problem.objective("slope"), workers=1, max_epochs=9, budget=1) == [pytest.approx(0.9 / 9)]


def test_the_same_seed_gives_the_same_search() -> None:
    def search(seed: int) -> list[float]:
        problem = Slope()
        search = METHODS["none"](Setup(study_of(problem, seed)))
        return simulate(search, problem.objective("slope"), workers=1, max_epochs=9, budget=90)

    assert search(1) == search(1) != search(2)


def test_a_method_whose_package_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(methods, "find_spec", lambda module: None)
    assert available(["none", "syne-tune-bohb", "ray-asha"]) == ["none"]
    assert capsys.readouterr().err.splitlines() == [
        "syne-tune-bohb: skipped, syne_tune is not installed",
        "ray-asha: skipped, ray is not installed",
    ]


def surrogate() -> Path:
    pytest.importorskip("onnxruntime", reason="the extra bench is not installed")
    folder = Path(os.environ.get("LIGHTSEARCH_DATA", ROOT.parent / "shared" / "data")) / "lcbench"
    if not folder.exists():
        pytest.skip("the surrogate of LCBench is not here")
    return folder


def command(*words: str) -> subprocess.CompletedProcess[str]:
    module = [sys.executable, "-m", "tests.benchmarks.search_efficiency"]
    options = {"cwd": ROOT, "env": environment(), "text": True, "capture_output": True, "timeout": 300}
    return subprocess.run([*module, *words], check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_the_command_reports_means_over_tasks_and_seeds(tmp_path: Path) -> None:
    folder, file = surrogate(), tmp_path / "found.json"
    tasks = ",".join(list(json.loads((folder / "reference.json").read_text()))[:2])
    words = ["--surrogate", str(folder), "--tasks", tasks, "--seeds", "2", "--processes", "1", "--workers", "3"]
    words += ["--method", "optuna-random", "--json", str(file)]
    ran = command(*words)
    assert ran.returncode == 0, ran.stderr
    assert "8/8 searches (optuna-random)" in ran.stderr
    assert "epochs of 3 workers, relative to those of 1" in ran.stdout
    found = json.loads(file.read_text())["methods"]
    assert list(found) == ["optuna-random"]
    assert found["optuna-random"]["n"] == 4
    mean = found["optuna-random"]["mean"]
    assert mean == sorted(mean, reverse=True)
    assert mean[0] > mean[-1] > -0.2


def test_random_configurations_have_the_regrets_that_the_reference_says() -> None:
    from tests.benchmarks.search_efficiency.surrogate import Surrogate

    folder = surrogate()
    problem = Surrogate(folder, folder / "reference.json")
    task = next(iter(problem.scales))
    search, objective = METHODS["optuna-random"](Setup(study_of(problem, 5))), problem.objective(task)
    best = [objective(search.ask().params).values.max() for _ in range(200)]  # type: ignore[union-attr]
    above = np.mean(np.array(best) > problem.scales[task].median)
    assert abs(above - 0.5) < 4 * 0.5 / math.sqrt(200)
    assert max(best) < problem.scales[task].highest + 1


def test_a_task_that_the_reference_lacks_is_refused(tmp_path: Path) -> None:
    folder = surrogate()
    task, known = next(iter(json.loads((folder / "reference.json").read_text()).items()))
    reference = tmp_path / "reference.json"
    reference.write_text(json.dumps({task: known}))
    words = ["--surrogate", str(folder), "--reference", str(reference), "--tasks", "1", "--method", "none"]
    ran = command(*words)
    assert ran.returncode == 1
    assert ran.stderr == f"--tasks 1: not in the reference; it has {task}\n"


def test_a_folder_without_a_surrogate_is_refused_in_one_line(tmp_path: Path) -> None:
    ran = command("--surrogate", str(tmp_path))
    assert ran.returncode == 1
    assert ran.stderr == f"{tmp_path}/config_space.json: no such file\n"
