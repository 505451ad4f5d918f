"""The coordinator: asks the study for trials, launches them, watches them, and tells what became of them."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lightsearch.atomic_files import make_folder
from lightsearch.coordinator.failure_policy import FailurePolicy, SearchFailure
from lightsearch.coordinator.results import drop_checkpoints, write_results
from lightsearch.declare.study_file import StudyFile
from lightsearch.display.display import Display
from lightsearch.errors import ResourceUnavailable, as_unavailable
from lightsearch.launchers import CANNOT_WRITE, Ended, Job, Launcher
from lightsearch.machine import leftovers
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.paths import trial_folder
from lightsearch.signals import StopRequest
from lightsearch.storage.artifacts import Artifacts
from lightsearch.study.assignment import NoTrialReason, TrialAssignment
from lightsearch.study.leases import RENEWAL_SECONDS
from lightsearch.study.recording import read_outcome
from lightsearch.study.trial_queue import TrialQueue

TICK_SECONDS = 0.5
"""How often the coordinator looks around when nothing ends."""

RESULTS_SECONDS = 5.0
"""How often ``results.json`` is written while the search runs, at most."""

STOP_SECONDS = 15.0
"""How long a worker may take to stop when asked; it is killed then."""

LAST_WORDS_SECONDS = 2.0
"""How long a storage that does not answer is waited for once the search is being ended by an error."""

MAX_CRASHES = 2
"""How often a trial whose process died is started again without having got on in between."""

MAX_LOSSES = 10
"""The same of a trial whose machine was lost: that is seldom its own fault."""

MAX_FAILED_PACKS = 24
"""As many trials that had to leave their packs end the packing: it only costs time."""


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
    """Too many failures in a row."""
    UNAVAILABLE = "blocked"
    """The machine does not let it go on; interrupted trials wait to be continued."""


@dataclass
class _Running:
    assigned: TrialAssignment
    began: float = field(default_factory=time.monotonic)
    progress: int = 0
    """How far it had ever got, as it was launched."""
    own_process: bool = False
    """Whether it gets a process of its own from now on."""
    isolated: bool = False
    """Whether it trains in no pack from now on."""
    crashes: int = 0
    """How often its process died without having got further."""
    losses: int = 0
    """How often its machine was lost, likewise."""
    timed_out: bool = False
    lost: bool = False
    """Another coordinator has taken it over."""
    stop_asked: float | None = None
    """When it was asked to stop."""


class Coordinator:
    """Runs a search to its end.

    Args:
        queue: The opened study.
        launcher: Where trials run.
        display: Where progress is shown.
        n_trials: The study's total of finished trials.
        timeout: Seconds after which the search stops; what runs then is interrupted and waits to be continued.
        trial_timeout: Seconds after which a trial is killed.
        data_dir: Folder of the data files.
        artifacts: Where trials' files are, if not in the study's folder alone.
    """

    def __init__(
        self,
        queue: TrialQueue,
        launcher: Launcher,
        display: Display,
        *,
        n_trials: int,
        timeout: float | None = None,
        trial_timeout: float | None = None,
        data_dir: str | None = None,
        artifacts: Artifacts | None = None,
    ) -> None:
        self.queue = queue
        self.launcher = launcher
        self.display = display
        self.n_trials = n_trials
        self.timeout = timeout
        self.trial_timeout = trial_timeout
        self.data_dir = data_dir
        self.artifacts = artifacts
        self.stop = StopRequest(display.message, launcher.close)
        """Whether a signal asked for the search to stop."""
        self.failure: SearchFailure | None = None
        """The failure that stopped the search."""
        self.unavailable: ResourceUnavailable | None = None
        """What does not let the search go on."""
        self._running: dict[int, _Running] = {}
        self._with_checkpoints: set[int] = set()
        self._failed_packs = 0
        self._failures = FailurePolicy()

    def run(self) -> Ending:
        """Searches until the study is done or something stops it; whatever stops it, no trial stays RUNNING."""
        began, results_written = time.monotonic(), time.monotonic()
        started_at = time.time()
        self._with_checkpoints = self._finished_before()
        ending: Ending | None = None
        self.display.update(self.queue.study)
        try:
            with self.stop, self._keeping_leases():
                while ending is None:
                    ending = self._stops(began) or self._fill()
                    for ended in self.launcher.wait(TICK_SECONDS if ending is None else 0):
                        self._finish(ended)
                    self._watch()
                    self.display.update(self.queue.study)
                    if time.monotonic() - results_written > RESULTS_SECONDS:
                        write_results(self.queue)
                        results_written = time.monotonic()
                self._stop_running()
        except BaseException as error:
            self.queue.storage.retry_seconds = (
                LAST_WORDS_SECONDS  # whoever waits for the end waits no longer for a storage
            )
            if (reason := as_unavailable(error)) is not None:
                raise reason from error
            raise
        finally:
            self.launcher.close()
            self._last_words(started_at, time.monotonic() - began, ending)
        return ending

    def _last_words(self, started_at: float, seconds: float, ending: Ending | None) -> None:
        """Leaves nothing running, as far as the storage and the disk let it: the next run does the rest."""
        try:
            for number in list(self._running):
                self._tell(number, Outcome(number=number, kind=Kind.INTERRUPTED))
            self._record_run(started_at, seconds, ending)
            write_results(self.queue)
        except Exception as error:
            if as_unavailable(error) is None:
                raise
            if ending is not None:
                raise as_unavailable(error) from error  # type: ignore[misc]
            # Otherwise an error is on its way already, most likely this one.

    def _stops(self, began: float) -> Ending | None:
        if self.stop:
            return Ending.STOPPED
        if self.failure is not None:
            return Ending.FAILING
        if self.unavailable is not None:
            return Ending.UNAVAILABLE
        if self.timeout is not None and time.monotonic() - began > self.timeout:
            return Ending.TIMEOUT
        return None

    def _fill(self) -> Ending | None:
        """Launches trials until the launcher is full or none is due."""
        if not self.launcher.slots and not self._running and self.queue.is_done(self.n_trials):
            return Ending.DONE  # without waiting for places that nobody needs
        while len(self._running) < self.launcher.slots and not self.stop:
            try:
                due = self.queue.ask(self.n_trials)
            except ResourceUnavailable as reason:  # the sampler does not go on; what runs ends in order
                self.unavailable = reason
                return Ending.UNAVAILABLE
            if isinstance(due, TrialAssignment):
                self._running[due.number] = _Running(due)
                self._launch(due.number)
            elif due is NoTrialReason.LATER or self._running:
                return None
            else:
                return Ending.EXHAUSTED if due is NoTrialReason.EXHAUSTED else Ending.DONE
        return None

    def _launch(self, number: int) -> None:
        running = self._running[number]
        folder = trial_folder(self.queue.folder, number)
        make_folder(folder)
        running.progress = max(running.progress, _progress(folder))
        arguments = {
            "study_file": self.queue.study_file,
            "storage_url": self.queue.url,
            "trial_id": running.assigned.trial_id,
            "folder": folder,
            "data_dir": self.data_dir,
            "attempt": running.assigned.attempt,
            "history": self.queue.history(),
        }
        data = self.queue.study_file.space.split(running.assigned.params)["data"]
        kind = repr(sorted(data.items()))  # trials on the same batches
        isolated = running.isolated or self._failed_packs >= MAX_FAILED_PACKS
        self.launcher.launch(Job(number, folder, _run_trial, arguments, kind, running.own_process, isolated))

    @contextlib.contextmanager
    def _keeping_leases(self) -> Iterator[None]:
        """Renews the leases of what runs, on a thread of its own: asking or a trial in this process may take long."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(RENEWAL_SECONDS):
                assigned = [running.assigned for running in list(self._running.values())]
                # One that fails is no loss: the next is not far, and what fails is seen in the main thread too.
                with contextlib.suppress(Exception):
                    lost = self.queue.renew(assigned)
                    for running in list(self._running.values()):
                        # Started again meanwhile, it is another attempt that counts, and has a lease of its own.
                        running.lost = running.assigned in lost

        thread = threading.Thread(target=renew, name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()

    def _watch(self) -> None:
        """Ends what is over its time, and what belongs to another by now."""
        now = time.monotonic()
        for number, running in self._running.items():
            if running.lost:
                self.launcher.stop(number, kill=True)
            elif running.stop_asked is not None:
                if now - running.stop_asked > STOP_SECONDS:
                    self.launcher.stop(number, kill=True)
            elif self.trial_timeout is not None and now - running.began > self.trial_timeout:
                running.timed_out, running.stop_asked = True, now
                self.launcher.stop(number)

    def _finish(self, ended: Ended) -> None:
        """Works out what became of a job, and tells it or starts it again."""
        running, number = self._running[ended.number], ended.number
        if ended.left_pack and running.stop_asked is None and not running.lost and self._goes_on_isolated(ended):
            return
        outcome = None
        if ended.exit_code != CANNOT_WRITE:  # else not all that it left is where it belongs
            outcome = read_outcome(trial_folder(self.queue.folder, number), running.assigned.attempt)
        if outcome is None and running.stop_asked is None and not running.lost and not self.stop:
            outcome = self._died(ended)
            if outcome is None:
                return
        outcome = outcome or Outcome(number=number, kind=Kind.INTERRUPTED)
        if running.timed_out and outcome.kind is Kind.INTERRUPTED:
            outcome = self._failed(number, Kind.TIMEOUT, f"killed after {self.trial_timeout:g} s")
        elif outcome.kind is Kind.INTERRUPTED and running.stop_asked is None and not self.stop:
            self._interrupted(outcome)
        self._tell(number, outcome)
        self.failure = self._failures.judge(outcome, self.launcher.slots) or self.failure

    def _died(self, ended: Ended) -> Outcome | None:
        """What became of a job that left no word; None if it is started again."""
        running, number = self._running[ended.number], ended.number
        folder = trial_folder(self.queue.folder, number)
        if ended.exit_code == CANNOT_WRITE:
            error = TrialError(
                type="ResourceUnavailable", message=ended.reason or _last_line(folder / "log.txt"), traceback=""
            )
            return Outcome(number=number, kind=Kind.INTERRUPTED, error=error)
        if ended.out_of_memory and not ended.shared_process:
            return self._failed(number, Kind.OUT_OF_MEMORY, "the kernel killed its process: the memory was full")
        if _progress(folder) > running.progress:
            running.crashes = running.losses = 0  # it got on: only deaths at the same place are counted
        why = ended.reason or f"its process died ({_exit(ended.exit_code)})"
        if (running.losses >= MAX_LOSSES) if ended.machine_lost else (running.crashes >= MAX_CRASHES):
            return self._failed(number, Kind.CRASHED, why)
        again = self.queue.start_again(running.assigned)
        if again is None:
            return Outcome(number=number, kind=Kind.INTERRUPTED)
        running.assigned = again
        if ended.machine_lost:
            running.losses += 1
            running.began = time.monotonic()  # it may have to wait for another
        else:
            running.crashes += 1
            running.own_process = ended.shared_process and (ended.out_of_memory or running.crashes >= MAX_CRASHES)
        way = "going on from its last checkpoint"
        if self.queue.study_file.objective is not None:
            way = "starting it again with the same parameters"
        self.display.message(f"trial {number}: {why}; {way}, attempt {again.attempt}")
        self._launch(number)
        return None

    def _goes_on_isolated(self, ended: Ended) -> bool:
        """Starts a trial that had to leave its pack again, in none; whether it is still this coordinator's."""
        running = self._running[ended.number]
        again = self.queue.start_again(running.assigned)
        if again is None:
            return False
        running.assigned, running.own_process, running.isolated = again, True, True
        self._failed_packs += 1
        self.display.message(
            f"trial {ended.number}: its pack failed ({ended.reason}); it goes on by itself, attempt {again.attempt}"
        )
        if self._failed_packs == MAX_FAILED_PACKS:
            self.display.message("packs fail again and again: further trials train one by one")
        self._launch(ended.number)
        return True

    def _interrupted(self, outcome: Outcome) -> None:
        """A trial that stopped although this search did not ask it to."""
        if outcome.error is not None and outcome.error.type not in ("Interrupted", "EndAtOnce"):
            self.unavailable = ResourceUnavailable(f"trial {outcome.number}: {outcome.error.message}")
        elif not self._running[outcome.number].lost:
            # Somebody else asked the worker to stop; it goes on, once it is asked for again.
            self.display.message(f"trial {outcome.number}: its process was asked to stop from outside")

    def _failed(self, number: int, kind: Kind, message: str) -> Outcome:
        running = self._running[number]
        error = TrialError(type=kind.name.title(), message=message, traceback=message)
        seconds = round(time.monotonic() - running.began, 3)
        return Outcome(
            number=number, kind=kind, attempt=running.assigned.attempt, stop_reason=kind, seconds=seconds, error=error
        )

    def _tell(self, number: int, outcome: Outcome) -> None:
        assigned = self._running[number].assigned
        told = self.queue.tell(assigned, outcome)
        del self._running[number]  # not before: what could not be told is still to be told
        if not told:
            self.display.message(f"trial {number}: another coordinator took it over while this one stood still")
        if not told or outcome.kind is Kind.INTERRUPTED:
            return
        trials = self.queue.study.get_trials(deepcopy=False)
        self._with_checkpoints.add(number)
        leftovers.sweep(self.queue.folder, [number])
        drop_checkpoints(self.queue, trials, self._with_checkpoints, self.artifacts)
        self.display.finished(outcome.model_copy(update={"params": trials[number].params}), trials)

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
        trials = self.queue.study.get_trials(deepcopy=False)
        finished = {trial.number for trial in trials if trial.state.is_finished()}
        leftovers.sweep(self.queue.folder, finished)
        leftovers.sweep_sockets()
        sent = self.artifacts.with_checkpoints() & finished if self.artifacts is not None else set()
        here = {number for number in finished if any(trial_folder(self.queue.folder, number).glob("*.ckpt"))}
        return here | sent

    def _record_run(self, started_at: float, seconds: float, ending: Ending | None) -> None:
        runs = self.queue.study.user_attrs.get("runs", [])
        run = {
            "started": round(started_at, 3),
            "seconds": round(seconds, 3),
            "workers": self.launcher.slots,
            "ending": str(ending) if ending else "error",
        }
        self.queue.study.set_user_attr("runs", [*runs, run])


def _exit(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _progress(folder: Path) -> int:
    """How far a trial has got, as a number that grows with its epochs: the length of their table, in bytes."""
    try:
        return (folder / "epochs.csv").stat().st_size
    except OSError:
        return 0


def _last_line(log: Path) -> str:
    """The last thing that a process had to say."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1][:300]
    return f"{log.parent} cannot be written to; is the disk full?"


def _run_trial(*, study_file: StudyFile, **arguments: Any) -> object:
    """``run_trial``, imported where it runs: the coordinator itself has no need of torch."""
    if study_file.objective is not None:
        from lightsearch.training import function_trial

        return function_trial.run_trial(study_file, **arguments)
    from lightsearch.training.trial import run_trial

    return run_trial(study_file, **arguments)
