"""The coordinator with a launcher that only pretends, to see what it decides."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console

from lightsearch.coordinator.coordinator import Coordinator
from lightsearch.coordinator.ending import Ending
from lightsearch.display.plain import PlainDisplay
from lightsearch.launchers import CANNOT_WRITE, Ended, Job
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.paths import trial_folder
from tests.conftest import digits, open_queue

End = Outcome | Ended | int
"""A pretended end: an outcome that a worker writes, how a process ended, or its exit code, without one."""


class Pretender:
    """Ends every job as soon as it is waited for, as ``script`` says."""

    blocks = False

    def __init__(self, slots: int, script: Callable[[Job], End]) -> None:
        self.slots = slots
        self.script = script
        self.jobs: list[Job] = []
        self.most = 0
        self._running: list[Job] = []

    def launch(self, job: Job) -> None:
        self.jobs.append(job)
        self._running.append(job)
        self.most = max(self.most, len(self._running))

    def wait(self, timeout: float) -> list[Ended]:
        if not self._running:
            return []
        job = self._running.pop(0)
        end = self.script(job)
        if isinstance(end, int | Ended):
            return [end if isinstance(end, Ended) else Ended(job.number, end)]
        outcome = end.model_copy(update={"number": job.number, "attempt": job.arguments["attempt"]})
        (job.folder / "result.json").write_text(outcome.model_dump_json())
        return [Ended(job.number, 0)]

    def stop(self, number: int, *, kill: bool = False) -> None:
        pass

    def close(self) -> None:
        self._running.clear()


def coordinate(folder: Path, script: Callable[[Job], End], *, n_trials: int = 6, slots: int = 2) -> Run:
    return Run(folder, script, n_trials, slots)


class Run:
    def __init__(self, folder: Path, script: Callable[[Job], End], n_trials: int, slots: int) -> None:
        self.queue = open_queue(digits("sampler.name=TPESampler"), folder)
        self.launcher = Pretender(slots, script)
        self.output = io.StringIO()
        display = PlainDisplay(Console(file=self.output, width=200), direction="maximize", n_trials=n_trials)
        self.coordinator = Coordinator(self.queue, self.launcher, display, n_trials=n_trials)
        self.ending = self.coordinator.run()
        self.states = [trial.state.name for trial in self.queue.study.trials]
        self.kinds = [trial.user_attrs.get("kind") for trial in self.queue.study.trials]


def complete(job: Job, value: float = 0.5) -> Outcome:
    return Outcome(number=job.number, kind=Kind.COMPLETE, value=value, epochs=3)


def failed(kind: Kind, message: str) -> Outcome:
    return Outcome(number=0, kind=kind, error=TrialError(type="E", message=message, traceback=f"trace of {message}"))


def test_the_slots_are_kept_full_and_the_total_exact(tmp_path: Path) -> None:
    run = coordinate(tmp_path, complete, n_trials=7, slots=3)
    assert run.ending is Ending.DONE
    assert run.states == ["COMPLETE"] * 7
    assert run.launcher.most == 3
    assert len(run.output.getvalue().splitlines()) == 7


def test_a_sampler_that_raises_ends_the_search_in_order_with_its_message(tmp_path: Path) -> None:
    run = coordinate(tmp_path, lambda job: complete(job), n_trials=2)
    queue, launcher = run.queue, Pretender(2, complete)
    queue.study.sampler = Exhausted()
    display = PlainDisplay(Console(file=run.output, width=200), direction="maximize", n_trials=9)
    coordinator = Coordinator(queue, launcher, display, n_trials=9)
    assert coordinator.run() is Ending.UNAVAILABLE
    assert str(coordinator.unavailable) == "sampler TPESampler proposes no trial: four are enough"
    states = [trial.state.name for trial in queue.study.trials]
    assert states == ["COMPLETE"] * 3 + ["WAITING"]  # what runs ends in order
    assert coordinate(tmp_path, complete, n_trials=9).states == ["COMPLETE"] * 9


class Exhausted(optuna.samplers.RandomSampler):
    """Proposes no fourth trial."""

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        if trial.number == 3:
            raise ValueError("four are enough")
        return super().sample_independent(study, trial, param_name, param_distribution)


def test_failures_do_not_count(tmp_path: Path) -> None:
    run = coordinate(
        tmp_path, lambda job: failed(Kind.DIVERGED, "nan") if job.number % 2 else complete(job), n_trials=4
    )
    assert run.ending is Ending.DONE
    assert run.kinds.count("complete") == 4
    assert run.kinds.count("diverged") == 3


def test_equal_failures_in_a_row_stop_the_search(tmp_path: Path) -> None:
    run = coordinate(tmp_path, lambda job: failed(Kind.USER_ERROR, "no such layer"), slots=1)
    assert run.ending is Ending.FAILING
    assert run.kinds == ["user_error"] * 3
    assert run.coordinator.failure is not None
    assert run.coordinator.failure.traceback == "trace of no such layer"


def test_different_failures_do_not(tmp_path: Path) -> None:
    run = coordinate(
        tmp_path,
        lambda job: complete(job) if job.number > 8 else failed(Kind.USER_ERROR, f"no layer {'ab'[job.number % 2]}"),
        n_trials=2,
        slots=1,
    )
    assert run.ending is Ending.DONE
    assert len(run.kinds) == 11


def test_a_process_that_dies_is_started_again_a_bounded_number_of_times(tmp_path: Path) -> None:
    attempts: list[int] = []

    def script(job: Job) -> End:
        if job.number == 0:
            attempts.append(job.arguments["attempt"])
            return -9
        return complete(job)

    run = coordinate(tmp_path, script, n_trials=2)
    assert attempts == [1, 2, 3]
    assert run.kinds == ["crashed", "complete", "complete"]
    assert "SIGKILL" in run.output.getvalue()


def test_a_machine_that_is_lost_is_no_fault_of_its_trial(tmp_path: Path) -> None:
    attempts: list[int] = []

    def script(job: Job) -> End:
        if job.number == 0:
            attempts.append(job.arguments["attempt"])
            if len(attempts) <= 5:
                return Ended(0, 1, reason="its worker on node 7 is gone", machine_lost=True)
            if len(attempts) <= 7:
                return -9  # by itself: that it was moved before does not count against it
        return complete(job)

    run = coordinate(tmp_path, script, n_trials=2)
    assert run.kinds == ["complete", "complete"]
    assert attempts == [1, 2, 3, 4, 5, 6, 7, 8]
    assert "its worker on node 7 is gone; going on from its last checkpoint" in run.output.getvalue()


def test_what_could_not_be_put_where_it_belongs_stops_the_search(tmp_path: Path) -> None:
    def script(job: Job) -> End:
        (job.folder / "result.json").write_text(complete(job).model_dump_json())
        return Ended(job.number, CANNOT_WRITE, reason="s3://bucket cannot be written to: it is full")

    run = coordinate(tmp_path, script, slots=1)
    assert run.ending is Ending.UNAVAILABLE
    assert run.states == ["WAITING"]
    assert "s3://bucket cannot be written to: it is full" in str(run.coordinator.unavailable)


def test_a_study_that_is_done_waits_for_no_places(tmp_path: Path) -> None:
    coordinate(tmp_path, complete, n_trials=2)
    assert coordinate(tmp_path, complete, n_trials=2, slots=0).ending is Ending.DONE


def test_a_trial_that_dies_once_is_whole(tmp_path: Path) -> None:
    died: set[int] = set()

    def script(job: Job) -> End:
        if job.number not in died:
            died.add(job.number)
            return 1
        return complete(job)

    run = coordinate(tmp_path, script, n_trials=3)
    assert run.kinds == ["complete"] * 3
    assert len(run.launcher.jobs) == 6


def test_an_outcome_of_an_earlier_attempt_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    def script(job: Job) -> End:
        stale = Outcome(number=job.number, kind=Kind.COMPLETE, attempt=job.arguments["attempt"] - 1, value=0.1)
        (job.folder / "result.json").write_text(stale.model_dump_json())
        return -9

    run = coordinate(tmp_path, script, n_trials=1)
    assert run.ending is Ending.FAILING
    assert set(run.kinds) == {"crashed"}


def test_checkpoints_of_the_leaders_are_kept(tmp_path: Path) -> None:
    def script(job: Job) -> End:
        for name in ("best.ckpt", "last.ckpt"):
            (job.folder / name).write_text("")
        return complete(job, value=(job.number * 7 % 10) / 10)

    run = coordinate(tmp_path, script, n_trials=10)
    kept = {int(file.parent.name[-4:]) for file in run.queue.folder.glob("*/*.ckpt")}
    values = {trial.number: trial.value or 0.0 for trial in run.queue.study.trials}
    assert kept == set(sorted(values, key=lambda number: -values[number])[:5])


def test_an_error_in_the_coordinator_leaves_nothing_running(tmp_path: Path) -> None:
    def script(job: Job) -> End:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        coordinate(tmp_path, script)
    states = {trial.state.name for trial in open_queue(digits(), tmp_path).study.trials}
    assert states == {"WAITING"}


def test_trial_folders_sort() -> None:
    assert trial_folder(Path("s"), 7) == Path("s/trial-0007")
