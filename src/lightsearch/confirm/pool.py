"""Trains runs in worker processes, several at a time, in the same job loop as a search."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from lightsearch.atomic_files import make_folder
from lightsearch.confirm.display import RetrainDisplay
from lightsearch.confirm.runs import Run, RunOutcome, finished, read_result
from lightsearch.coordinator.job_loop import JobLoop, RunningJob
from lightsearch.coordinator.restarts import Failure, describe_end
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import Ended, Job, Launcher
from lightsearch.machine import leftovers
from lightsearch.outcome import EXIT_OF_SIGNAL, TrialError


class Stopped(Exception):
    """A signal stopped the work. Finished runs are kept, and the same command continues.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = EXIT_OF_SIGNAL + number


class Pool:
    """Trains a list of runs. It is the ``Work`` of a job loop: a job's number is the run's position in the list.

    Args:
        study_file: The declared study.
        study_folder: The study's folder.
        launcher: Where runs are trained; closed at the end of ``train``.
        display: Where progress is shown.
        data_dir: Folder of the data files.
    """

    def __init__(
        self,
        study_file: StudyFile,
        study_folder: Path,
        launcher: Launcher,
        display: RetrainDisplay,
        data_dir: str | None,
    ) -> None:
        self.study_file = study_file
        self.study_folder = study_folder
        self.display = display
        self.data_dir = data_dir
        self._loop = JobLoop(launcher, self, display.message)
        self._runs: list[Run] = []
        self._outcomes: list[RunOutcome | None] = []
        self._waiting: list[int] = []
        self._unavailable: ResourceUnavailable | None = None

    def train(self, runs: list[Run]) -> list[RunOutcome]:
        """Trains the runs that have no outcome yet.

        Returns:
            The outcomes of all runs, in their order.

        Raises:
            Stopped: by Ctrl-C or SIGTERM.
            ResourceUnavailable: if a run cannot write. Finished runs are kept, and the same command continues.
        """
        self._runs = runs
        self._outcomes = [finished(run, run.folder(self.study_folder)) for run in runs]
        self._waiting = [number for number, outcome in enumerate(self._outcomes) if outcome is None]
        self.display.begin(runs, self._outcomes)
        self._loop.run()
        if self._loop.stop.number is not None:
            raise Stopped(self._loop.stop.number)
        if self._unavailable is not None:
            raise self._unavailable
        return [outcome for outcome in self._outcomes if outcome is not None]

    # The methods of ``Work``, which the job loop calls.

    def is_over(self) -> bool:
        return self._unavailable is not None or not (self._waiting or self._loop.running)

    def next_job(self) -> Job | None:
        if not self._waiting:
            return None
        number = self._waiting.pop(0)
        folder = self._runs[number].folder(self.study_folder)
        try:
            make_folder(folder)
        except ResourceUnavailable as reason:
            self._become_unavailable(number, str(reason))
            return None
        return self._job(number, folder)

    def read_outcome(self, job: Job) -> RunOutcome | None:
        return finished(self._runs[job.number], job.folder) or read_result(job.folder, job.arguments["attempt"])

    def restart(self, running: RunningJob, ended: Ended) -> Job | None:
        title = self._runs[running.number].title
        self.display.message(f"{title}: {describe_end(ended)}; going on from its last checkpoint")
        return running.job

    def is_lost(self, job: Job) -> bool:  # noqa: ARG002
        return False

    def is_withdrawn(self, job: Job) -> bool:  # noqa: ARG002
        return False

    def withdrawn(self, running: RunningJob) -> None:
        raise NotImplementedError  # no run is ever withdrawn

    def finished(self, running: RunningJob, outcome: RunOutcome) -> None:
        leftovers.sweep_folder(running.job.folder)
        self._outcomes[running.number] = outcome
        self.display.finished(self._runs[running.number], outcome)

    def failed(self, running: RunningJob, failure: Failure) -> None:
        run = self._runs[running.number]
        number = -1 if run.trial is None else run.trial
        outcome = RunOutcome(number=number, kind=failure.kind, seed=run.seed, params=run.params, error=failure.error)
        self.finished(running, outcome)

    def interrupted(self, running: RunningJob, error: TrialError | None) -> None:
        leftovers.sweep_folder(running.job.folder)
        if error is not None:
            self._become_unavailable(running.number, error.message)

    def tick(self) -> None:
        running = self._loop.running.values()
        self.display.update([(self._runs[one.number], one.job.folder) for one in running])

    # Helpers.

    def _job(self, number: int, folder: Path) -> Job:
        earlier = read_result(folder)
        arguments = {
            "study_file": self.study_file,
            "run": self._runs[number],
            "folder": folder,
            "data_dir": self.data_dir,
            "attempt": 1 if earlier is None else earlier.attempt + 1,  # a result of an earlier command does not count
        }
        return Job(number, folder, call_train_run, arguments)

    def _become_unavailable(self, number: int, reason: str) -> None:
        self._unavailable = self._unavailable or ResourceUnavailable(f"{self._runs[number].title}: {reason}")


def call_train_run(**arguments: Any) -> object:
    """Calls ``train_run``, imported where it runs: the command does not need torch."""
    from lightsearch.confirm.train_run import train_run

    return train_run(**arguments)
