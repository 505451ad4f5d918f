"""Runs several at a time, in worker processes: started again where a process dies, stopped in order by a signal."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

from lightsearch.confirm.display import Display
from lightsearch.confirm.runs import Run, RunOutcome, finished, prepare, read_result
from lightsearch.launchers import Ended, Job, Launcher
from lightsearch.outcome import EXIT_OF_SIGNAL, Kind, TrialError
from lightsearch.signals import StopRequest
from lightsearch.study_file import StudyFile

TICK_SECONDS = 0.5
"""How often the display is renewed when nothing ends."""
STOP_SECONDS = 15.0
"""How long a worker may take to stop when asked; it is killed then."""
MAX_CRASHES = 2
"""How often a run whose process died is started again."""


class Stopped(Exception):
    """A signal stopped the work; what is done is kept, and the same command goes on."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = EXIT_OF_SIGNAL + number


class Pool:
    """Does runs.

    Args:
        study_file: The declared study.
        study_folder: Its folder.
        launcher: Where runs take place; closed at the end of ``train``.
        display: Where progress is shown.
        data_dir: Folder of the data files.
    """

    def __init__(
        self, study_file: StudyFile, study_folder: Path, launcher: Launcher, display: Display, data_dir: str | None
    ) -> None:
        self.study_file = study_file
        self.study_folder = study_folder
        self.launcher = launcher
        self.display = display
        self.data_dir = data_dir
        self._stop = StopRequest(display.message, launcher.close)
        self._running: dict[int, Run] = {}
        self._crashes: dict[int, int] = {}

    def train(self, runs: list[Run]) -> list[RunOutcome]:
        """Does the runs that are not done yet.

        Returns:
            Their outcomes, in the order of the runs.

        Raises:
            Stopped: by Ctrl-C or SIGTERM.
        """
        outcomes = [finished(run, self._folder(run)) for run in runs]
        waiting = [number for number, outcome in enumerate(outcomes) if outcome is None]
        self.display.begin(runs, outcomes)
        try:
            with self._stop:
                while (waiting or self._running) and not self._stop:
                    while waiting and len(self._running) < self.launcher.slots:
                        self._launch(waiting[0], runs[waiting[0]], fresh=True)
                        waiting.pop(0)
                    for ended in self.launcher.wait(TICK_SECONDS):
                        outcome = self._finish(ended)
                        if outcome is not None:
                            outcomes[ended.number] = outcome
                            self.display.finished(runs[ended.number], outcome)
                    self.display.update([(run, self._folder(run)) for run in self._running.values()])
                self._stop_running()
        finally:
            self.launcher.close()
        if self._stop.number is not None:
            raise Stopped(self._stop.number)
        return [outcome for outcome in outcomes if outcome is not None]

    def _folder(self, run: Run) -> Path:
        return run.folder(self.study_folder)

    def _launch(self, number: int, run: Run, *, fresh: bool) -> None:
        folder = self._folder(run)
        if fresh:
            prepare(run, folder)
        self._running[number] = run
        arguments = {"study_file": self.study_file, "run": run, "folder": folder, "data_dir": self.data_dir}
        self.launcher.launch(Job(number, folder, _train_run, arguments))

    def _finish(self, ended: Ended) -> RunOutcome | None:
        """What became of a run; None: it goes on."""
        run = self._running.pop(ended.number)
        outcome = read_result(self._folder(run))
        if outcome is not None or self._stop:
            return outcome
        self._crashes[ended.number] = self._crashes.get(ended.number, 0) + 1
        if self._crashes[ended.number] <= MAX_CRASHES:
            self.display.message(f"{run.title}: its process died; going on from its last checkpoint")
            self._launch(ended.number, run, fresh=False)
            return None
        message = f"the process died: exit status {ended.exit_code}"
        error = TrialError(type="Crashed", message=message, traceback=message)
        return RunOutcome(number=-1 if run.trial is None else run.trial, kind=Kind.CRASHED, seed=run.seed, error=error)

    def _stop_running(self) -> None:
        """Asks whatever runs to stop, and waits for it."""
        deadline = time.monotonic() + STOP_SECONDS
        for number in self._running:
            self.launcher.stop(number)
        while self._running:
            for ended in self.launcher.wait(TICK_SECONDS):
                self._running.pop(ended.number)
            if time.monotonic() > deadline:
                return  # the launcher kills them when it is closed


def _train_run(**arguments: Any) -> object:
    """``train_run``, imported where it runs."""
    from lightsearch.confirm.runs import train_run

    return train_run(**arguments)
