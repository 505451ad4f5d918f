"""The coordinator: asks the study for trials, launches them, watches them, and tells what became of them."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from optuna.trial import Trial

from lightsearch.folders import trial_folder
from lightsearch.launchers import Ended, Job, Launcher
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.ownership import RENEWAL_SECONDS
from lightsearch.progress import Display
from lightsearch.results import drop_checkpoints, write_results
from lightsearch.signals import StopRequest
from lightsearch.study import Assigned, Due, Ledger, read_outcome

TICK_SECONDS = 0.5
"""How often the coordinator looks around when nothing ends."""
RESULTS_SECONDS = 5.0
"""How often ``results.json`` is written while the search runs, at most."""
STOP_SECONDS = 15.0
"""How long a worker may take to stop when asked; it is killed then."""
MAX_CRASHES = 2
"""How often a trial whose process died is started again."""
EQUAL_FAILURES = 3
"""As many equal failures in a row stop the search: the next trial would fail too."""


class Ending(StrEnum):
    """Why a search ended."""

    DONE = "done"
    """The study has its total of finished trials."""
    EXHAUSTED = "exhausted"
    """The sampler has visited every point of the space."""
    TIMEOUT = "timeout"
    """``--timeout`` was reached; interrupted trials wait to be continued."""
    STOPPED = "stopped"
    """By a signal; interrupted trials wait to be continued."""
    FAILING = "failing"
    """The same failure several times in a row."""


@dataclass
class _Running:
    trial: Trial
    attempt: int
    began: float = field(default_factory=time.monotonic)
    renewed: float = field(default_factory=time.monotonic)
    crashes: int = 0
    timed_out: bool = False
    stop_asked: float | None = None
    """When it was asked to stop."""


class Coordinator:
    """Runs a search to its end.

    Args:
        ledger: The opened study.
        launcher: Where trials run.
        display: Where progress is shown.
        n_trials: The study's total of finished trials.
        timeout: Seconds after which the search stops; what runs then is interrupted and waits to be continued.
        trial_timeout: Seconds after which a trial is killed.
        data_dir: Folder of the data files.
    """

    def __init__(
        self,
        ledger: Ledger,
        launcher: Launcher,
        display: Display,
        *,
        n_trials: int,
        timeout: float | None = None,
        trial_timeout: float | None = None,
        data_dir: str | None = None,
    ) -> None:
        self.ledger = ledger
        self.launcher = launcher
        self.display = display
        self.n_trials = n_trials
        self.timeout = timeout
        self.trial_timeout = trial_timeout
        self.data_dir = data_dir
        self.stop = StopRequest(display.message, launcher.close)
        """Whether a signal asked for the search to stop."""
        self.failure: TrialError | None = None
        """The failure that stopped the search."""
        self._running: dict[int, _Running] = {}
        self._with_checkpoints: set[int] = set()
        self._equal_failures = 0
        self._last_failure: tuple[str, str] | None = None

    def run(self) -> Ending:
        """Searches until the study is done or something stops it; whatever stops it, no trial stays RUNNING."""
        began, results_written = time.monotonic(), time.monotonic()
        started_at = time.time()
        self._with_checkpoints = self._finished_before()
        ending: Ending | None = None
        try:
            with self.stop:
                while ending is None:
                    ending = self._stops(began) or self._fill()
                    for ended in self.launcher.wait(TICK_SECONDS if ending is None else 0):
                        self._finish(ended)
                    self._watch()
                    self.display.update(self.ledger.study)
                    if time.monotonic() - results_written > RESULTS_SECONDS:
                        write_results(self.ledger)
                        results_written = time.monotonic()
                self._stop_running()
        finally:
            self.launcher.close()
            for number in list(self._running):
                self._tell(number, Outcome(number=number, kind=Kind.INTERRUPTED))
            self._record_run(started_at, time.monotonic() - began, ending)
            write_results(self.ledger)
        return ending

    def _stops(self, began: float) -> Ending | None:
        if self.stop:
            return Ending.STOPPED
        if self.failure is not None:
            return Ending.FAILING
        if self.timeout is not None and time.monotonic() - began > self.timeout:
            return Ending.TIMEOUT
        return None

    def _fill(self) -> Ending | None:
        """Launches trials until the launcher is full or none is due."""
        while len(self._running) < self.launcher.slots and not self.stop:
            due = self.ledger.ask(self.n_trials)
            if isinstance(due, Assigned):
                self._running[due.trial.number] = _Running(due.trial, due.attempt)
                self._launch(due.trial.number)
            elif due is Due.LATER or self._running:
                return None
            else:
                return Ending.EXHAUSTED if due is Due.EXHAUSTED else Ending.DONE
        return None

    def _launch(self, number: int) -> None:
        running = self._running[number]
        folder = trial_folder(self.ledger.folder, number)
        folder.mkdir(parents=True, exist_ok=True)
        arguments = {
            "study_file": self.ledger.study_file,
            "storage_url": self.ledger.url,
            "trial_id": running.trial._trial_id,
            "folder": folder,
            "data_dir": self.data_dir,
            "attempt": running.attempt,
        }
        self.launcher.launch(Job(number, folder, _run_trial, arguments))

    def _watch(self) -> None:
        """Renews leases, and ends what is over its time."""
        now = time.monotonic()
        for number, running in self._running.items():
            if now - running.renewed > RENEWAL_SECONDS:
                self.ledger.renew(running.trial._trial_id)
                running.renewed = now
            if running.stop_asked is not None:
                if now - running.stop_asked > STOP_SECONDS:
                    self.launcher.stop(number, kill=True)
            elif self.trial_timeout is not None and now - running.began > self.trial_timeout:
                running.timed_out, running.stop_asked = True, now
                self.launcher.stop(number)

    def _finish(self, ended: Ended) -> None:
        """Works out what became of a job, and tells it or starts it again."""
        running = self._running[ended.number]
        outcome = read_outcome(trial_folder(self.ledger.folder, ended.number), running.attempt)
        if outcome is None:
            if running.stop_asked is not None:
                outcome = Outcome(number=ended.number, kind=Kind.INTERRUPTED)
            elif running.crashes < MAX_CRASHES:
                running.crashes += 1
                running.attempt += 1
                running.trial.set_user_attr("attempt", running.attempt)
                self.display.message(
                    f"trial {ended.number}: its process died ({_exit(ended.exit_code)}); going on from its last "
                    f"checkpoint, attempt {running.attempt}"
                )
                self._launch(ended.number)
                return
            else:
                outcome = self._failed(ended.number, Kind.CRASHED, f"the process died: {_exit(ended.exit_code)}")
        if running.timed_out and outcome.kind is Kind.INTERRUPTED:
            outcome = self._failed(ended.number, Kind.TIMEOUT, f"killed after {self.trial_timeout:g} s")
        elif outcome.kind is Kind.INTERRUPTED and running.stop_asked is None and not self.stop:
            # Somebody else asked the worker to stop; it goes on, once it is asked for again.
            self.display.message(f"trial {ended.number}: its process was asked to stop from outside")
        self._tell(ended.number, outcome)
        self._count_failures(outcome)

    def _failed(self, number: int, kind: Kind, message: str) -> Outcome:
        running = self._running[number]
        error = TrialError(type=kind.name.title(), message=message, traceback=message)
        seconds = round(time.monotonic() - running.began, 3)
        return Outcome(
            number=number, kind=kind, attempt=running.attempt, stop_reason=kind, seconds=seconds, error=error
        )

    def _tell(self, number: int, outcome: Outcome) -> None:
        running = self._running.pop(number)
        self.ledger.tell(running.trial._trial_id, outcome)
        if outcome.kind is Kind.INTERRUPTED:
            return
        trials = self.ledger.study.get_trials(deepcopy=False)
        self._with_checkpoints.add(number)
        drop_checkpoints(self.ledger, trials, self._with_checkpoints)
        self.display.finished(outcome.model_copy(update={"params": running.trial.params}), trials)

    def _count_failures(self, outcome: Outcome) -> None:
        if not outcome.policy.stops_search:
            if outcome.policy.counts:
                self._equal_failures = 0
                self._last_failure = None
            return
        error = (outcome.error.type, outcome.error.message) if outcome.error else None
        self._equal_failures = self._equal_failures + 1 if error == self._last_failure else 1
        self._last_failure = error
        if self._equal_failures >= EQUAL_FAILURES:
            self.failure = outcome.error

    def _stop_running(self) -> None:
        """Asks everything that runs to stop, and waits for it."""
        for number, running in self._running.items():
            running.stop_asked = time.monotonic()
            self.launcher.stop(number)
        while self._running:
            for ended in self.launcher.wait(TICK_SECONDS):
                self._finish(ended)
            self._watch()

    def _finished_before(self) -> set[int]:
        """Trials of earlier runs that have checkpoints."""
        finished = (trial.number for trial in self.ledger.study.get_trials(deepcopy=False) if trial.state.is_finished())
        return {number for number in finished if any(trial_folder(self.ledger.folder, number).glob("*.ckpt"))}

    def _record_run(self, started_at: float, seconds: float, ending: Ending | None) -> None:
        runs = self.ledger.study.user_attrs.get("runs", [])
        run = {
            "started": round(started_at, 3),
            "seconds": round(seconds, 3),
            "workers": self.launcher.slots,
            "ending": str(ending) if ending else "error",
        }
        self.ledger.study.set_user_attr("runs", [*runs, run])


def _exit(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _run_trial(**arguments: Any) -> object:
    """``run_trial``, imported where it runs: the coordinator itself has no need of torch."""
    from lightsearch.trial import run_trial

    return run_trial(**arguments)
