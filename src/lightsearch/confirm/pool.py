"""Runs several at a time, in worker processes: started again where a process dies, stopped in order by a signal."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from lightsearch.atomic_files import make_folder
from lightsearch.confirm.display import Display
from lightsearch.confirm.runs import Run, RunOutcome, finished, read_result
from lightsearch.coordinator.restarts import Deaths, progress, why
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import Ended, Job, Launcher
from lightsearch.machine import leftovers
from lightsearch.outcome import EXIT_OF_SIGNAL, Kind
from lightsearch.signals import StopRequest

TICK_SECONDS = 0.5
"""How often the display is renewed when nothing ends."""
STOP_SECONDS = 15.0
"""How long a worker may take to stop when asked; it is killed then."""


class Stopped(Exception):
    """A signal stopped the work; what is done is kept, and the same command goes on."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = EXIT_OF_SIGNAL + number


class _Running(NamedTuple):
    run: Run
    folder: Path
    attempt: int
    """Which result of its folder the run is to make."""
    deaths: Deaths


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
        self._blocked: ResourceUnavailable | None = None
        self._running: dict[int, _Running] = {}

    def train(self, runs: list[Run]) -> list[RunOutcome]:
        """Does the runs that are not done yet.

        Returns:
            Their outcomes, in the order of the runs.

        Raises:
            Stopped: by Ctrl-C or SIGTERM.
            ResourceUnavailable: if a run cannot write; what is done is kept, and the same command goes on.
        """
        outcomes = [finished(run, run.folder(self.study_folder)) for run in runs]
        waiting = [number for number, outcome in enumerate(outcomes) if outcome is None]
        self.display.begin(runs, outcomes)
        try:
            with self._stop:
                while (waiting or self._running) and not self._stop and self._blocked is None:
                    while waiting and len(self._running) < self.launcher.slots and self._blocked is None:
                        number = waiting.pop(0)
                        self._start(number, runs[number])
                    for ended in self.launcher.wait(TICK_SECONDS):
                        outcome = self._finish(ended)
                        if outcome is not None:
                            outcomes[ended.number] = outcome
                            self.display.finished(runs[ended.number], outcome)
                    self.display.update([(running.run, running.folder) for running in self._running.values()])
                self._stop_running()
        finally:
            self.launcher.close()
        if self._stop.number is not None:
            raise Stopped(self._stop.number)
        if self._blocked is not None:
            raise self._blocked
        return [outcome for outcome in outcomes if outcome is not None]

    def _start(self, number: int, run: Run) -> None:
        folder = run.folder(self.study_folder)
        try:
            make_folder(folder)
        except ResourceUnavailable as reason:
            self._block(run, str(reason))
            return
        stale = read_result(folder)
        attempt = 1 if stale is None else stale.attempt + 1
        self._running[number] = _Running(run, folder, attempt, Deaths(progress(folder)))
        self._launch(number)

    def _launch(self, number: int) -> None:
        run, folder, attempt, _ = self._running[number]
        arguments = {
            "study_file": self.study_file,
            "run": run,
            "folder": folder,
            "data_dir": self.data_dir,
            "attempt": attempt,
        }
        self.launcher.launch(Job(number, folder, _train_run, arguments))

    def _finish(self, ended: Ended) -> RunOutcome | None:
        """What became of a run; None: it goes on, now or with the next command."""
        running = self._running[ended.number]
        outcome = self._judge(running, ended)
        if outcome is None and not self._stop and self._blocked is None:
            self.display.message(f"{running.run.title}: {why(ended)}; going on from its last checkpoint")
            self._launch(ended.number)
        else:
            del self._running[ended.number]
            leftovers.sweep_folder(running.folder)
        return outcome

    def _judge(self, running: _Running, ended: Ended) -> RunOutcome | None:
        run, folder, attempt, deaths = running
        outcome = finished(run, folder) or read_result(folder, attempt)
        if outcome is not None and outcome.kind is Kind.INTERRUPTED:
            self._block(run, outcome.error.message if outcome.error is not None else "interrupted")
            return None
        if outcome is not None or self._stop:
            return outcome
        try:
            failure = deaths.judge(ended, folder)
        except ResourceUnavailable as reason:
            self._block(run, str(reason))
            return None
        if failure is None:
            return None
        number = -1 if run.trial is None else run.trial
        return RunOutcome(number=number, kind=failure.kind, seed=run.seed, params=run.params, error=failure.error)

    def _block(self, run: Run, reason: str) -> None:
        self._blocked = self._blocked or ResourceUnavailable(f"{run.title}: {reason}")

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
