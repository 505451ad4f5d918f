"""The coordinator: asks the study for trials, runs them in a job loop, and records their outcomes."""

from __future__ import annotations

import time

from optuna.trial import TrialState

from lightsearch.coordinator.aftermath import Aftermath
from lightsearch.coordinator.ending import Ending
from lightsearch.coordinator.failure_policy import FailurePolicy, SearchFailure
from lightsearch.coordinator.job_loop import JobLoop, RunningJob
from lightsearch.coordinator.lease_keeper import LeaseKeeper
from lightsearch.coordinator.restarts import Failure, describe_end
from lightsearch.coordinator.results import record_run, write_results
from lightsearch.coordinator.trial_end import OnTrialEnd, TrialEnd
from lightsearch.coordinator.trial_job import trial_job
from lightsearch.coordinator.user_requests import UserRequests
from lightsearch.display.display import Display
from lightsearch.errors import ResourceUnavailable, as_unavailable
from lightsearch.launchers import Ended, Job, Launcher
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.storage.artifacts import Artifacts
from lightsearch.study.assignment import NoTrialReason, TrialAssignment
from lightsearch.study.budget import Budget, n_epochs
from lightsearch.study.recording import read_outcome
from lightsearch.study.stop_rules import StopWatch
from lightsearch.study.trial_queue import TrialQueue
from lightsearch.study.withdrawal import withdrawn_outcome

RESULTS_SECONDS = 5.0
"""The least time between two writes of ``results.json`` while the search runs."""

LAST_RETRY_SECONDS = 2.0
"""How long a storage that does not answer is retried once an error ends the search."""

MAX_FAILED_PACKS = 24
"""After this many trials had to leave their packs, all further trials train one by one."""


class Coordinator:
    """Runs a search to its end. It is the ``Work`` of a job loop: one job is one attempt of a trial.

    Args:
        queue: The opened study.
        launcher: Where trials run.
        display: Where progress is shown.
        n_trials: The study's total of finished trials.
        epochs: The study's total of epochs; None: no limit.
        timeout: Seconds after which the search stops; running trials are interrupted and wait to be continued.
        trial_timeout: Seconds after which a trial is killed.
        data_dir: Folder of the data files.
        artifacts: Where the trials' files are besides or instead of the study's folder; None: nowhere else.
        on_trial_end: Called after each trial; see ``trial_end``.
        requests: What users ask of the search; None: nothing.
        packing: Whether trials train in packs, and why, in words; None: that was not in question.
    """

    def __init__(
        self,
        queue: TrialQueue,
        launcher: Launcher,
        display: Display,
        *,
        n_trials: int,
        epochs: int | None = None,
        timeout: float | None = None,
        trial_timeout: float | None = None,
        data_dir: str | None = None,
        artifacts: Artifacts | None = None,
        on_trial_end: OnTrialEnd | None = None,
        requests: UserRequests | None = None,
        packing: str | None = None,
    ) -> None:
        self.queue = queue
        self.launcher = launcher
        self.display = display
        self.budget = Budget(n_trials, epochs)
        self.timeout = timeout
        self.data_dir = data_dir
        self.loop = JobLoop(launcher, self, display.message, time_limit=trial_timeout)
        self.failure: SearchFailure | None = None
        """The failure that stopped the search."""
        self.unavailable: ResourceUnavailable | None = None
        """Why the machine does not let the search continue."""
        self.stop_watch = StopWatch(queue.study_file.stop, queue.study_file.direction)
        """Whether a rule of the study file stops the study."""
        self.trial_end = TrialEnd(on_trial_end)
        """The user's function, and what it raised."""
        self._packing = packing
        self._requests = requests or UserRequests(queue, self.budget)
        self._requests.watch(launcher, self.loop.running)
        self._leases = LeaseKeeper(queue)
        self._aftermath = Aftermath(queue, artifacts, display, self.trial_end)
        self._failures = FailurePolicy()
        self._failed_packs = 0
        self._ending: Ending | None = None
        self._began = self._results_written = time.monotonic()

    def run(self) -> Ending:
        """Searches until the study is done or something stops it. In any case no trial of this search stays RUNNING."""
        self._began = self._results_written = time.monotonic()
        started_at = time.time()
        self._aftermath.of_earlier()
        self.display.update(self.queue.study)
        ending: Ending | None = None
        try:
            with self._leases:
                self.loop.run()
            ending = self._ending or Ending.STOPPED
        except BaseException as error:
            self.queue.storage.retry_seconds = LAST_RETRY_SECONDS
            if (reason := as_unavailable(error)) is not None:
                raise reason from error
            raise
        finally:
            self._record_end(started_at, ending)
        return ending

    # The methods of ``Work``, which the job loop calls.

    def is_over(self) -> bool:
        self._ending = self._ending or self._reason_to_end()
        return self._ending is not None

    def next_job(self) -> Job | None:
        if self.stop_watch.has_rules and self.stop_watch.look(self.queue.study.get_trials(deepcopy=False)):
            if not self.loop.running:  # those that run are finished, and may bring an improvement
                self._ending = Ending.SATISFIED
            return None
        try:
            assigned = self.queue.ask(self.budget.n_trials, self.budget.epochs)
        except ResourceUnavailable as reason:  # the sampler proposes nothing; running trials are stopped cleanly
            self.unavailable = reason
            return None
        self._aftermath.of(self.queue.take_replaced())
        if isinstance(assigned, TrialAssignment):
            return self._job(assigned)
        if assigned is NoTrialReason.SETTLED:
            self._aftermath.of(self.queue.end_paused())
            assigned = NoTrialReason.NONE
        if assigned is not NoTrialReason.LATER and not self.loop.running:
            self._ending = Ending.EXHAUSTED if assigned is NoTrialReason.EXHAUSTED else Ending.DONE
        return None

    def read_outcome(self, job: Job) -> Outcome | None:
        return read_outcome(job.folder, job.arguments["attempt"])

    def restart(self, running: RunningJob, ended: Ended) -> Job | None:
        assigned = self.queue.start_again(self._leases[running.number])
        if assigned is None:
            return None
        self._report_restart(assigned, ended)
        return self._job(assigned, own_process=running.restarts.own_process, isolated=running.restarts.isolated)

    def is_lost(self, job: Job) -> bool:
        return self._leases.is_lost(job.number)

    def is_withdrawn(self, job: Job) -> bool:
        return self._requests.is_withdrawn(job.number)

    def withdrawn(self, running: RunningJob) -> None:
        assigned = self._leases[running.number]
        trial = self.queue.storage.get_trial(assigned.trial_id)
        written = self.read_outcome(running.job)
        self.display.message(f"trial {running.number}: ended by lightsearch stop --trial {running.number}")
        self._record(withdrawn_outcome(trial, self.queue.study_file, written, assigned.attempt))

    def finished(self, running: RunningJob, outcome: Outcome) -> None:
        if outcome.kind is Kind.PAUSED and self.is_withdrawn(running.job):
            self.withdrawn(running)
        else:
            self._record(outcome)

    def failed(self, running: RunningJob, failure: Failure) -> None:
        assigned = self._leases[running.number]
        outcome = Outcome(
            number=running.number,
            kind=failure.kind,
            attempt=assigned.attempt,
            epochs=n_epochs([self.queue.storage.get_trial(assigned.trial_id)]),
            stop_reason=failure.kind,
            seconds=round(time.monotonic() - running.began, 3),
            error=failure.error,
        )
        self._record(outcome)

    def interrupted(self, running: RunningJob, error: TrialError | None) -> None:
        number = running.number
        if error is not None and error.type in ("Interrupted", "EndAtOnce"):  # it returns to the queue
            self.display.message(f"trial {number}: its process was asked to stop from outside")
        elif error is not None:
            self.unavailable = ResourceUnavailable(f"trial {number}: {error.message}")
        self._record(Outcome(number=number, kind=Kind.INTERRUPTED))

    def tick(self) -> None:
        self.display.update(self.queue.study)
        if time.monotonic() - self._results_written > RESULTS_SECONDS:
            write_results(self.queue)
            self._results_written = time.monotonic()

    # Helpers.

    def _reason_to_end(self) -> Ending | None:
        if self.failure is not None:
            return Ending.FAILING
        if self.unavailable is not None:
            return Ending.UNAVAILABLE
        if self._requests.stop_asked:
            self.display.message("stopping, as lightsearch stop asks: waiting for checkpoints")
            return Ending.STOPPED
        if self.trial_end.stops:
            return Ending.CALLBACK
        if self.timeout is not None and time.monotonic() - self._began > self.timeout:
            return Ending.TIMEOUT
        # A study that is done needs no slot, and so does not wait for one.
        if (
            not self.launcher.slots
            and not self.loop.running
            and self.queue.is_done(self.budget.n_trials, self.budget.epochs)
        ):
            return Ending.DONE
        return None

    def _job(self, assigned: TrialAssignment, *, own_process: bool = False, isolated: bool = False) -> Job:
        """Makes the job of an assigned trial, and holds its lease from now on."""
        self._leases.hold(assigned)
        isolated = isolated or self._failed_packs >= MAX_FAILED_PACKS
        return trial_job(self.queue, assigned, self.data_dir, own_process=own_process, isolated=isolated)

    def _report_restart(self, assigned: TrialAssignment, ended: Ended) -> None:
        number, attempt = assigned.number, assigned.attempt
        if ended.left_pack:
            self._failed_packs += 1
            self.display.message(
                f"trial {number}: its pack failed ({ended.reason}); it continues by itself, attempt {attempt}"
            )
            if self._failed_packs == MAX_FAILED_PACKS:
                self.display.message("packs fail again and again: further trials train one by one")
            return
        way = "going on from its last checkpoint"
        if self.queue.study_file.objective is not None:
            way = "starting it again with the same parameters"
        self.display.message(f"trial {number}: {describe_end(ended)}; {way}, attempt {attempt}")

    def _record(self, outcome: Outcome) -> None:
        """Records a trial's outcome, and what follows from it: the checkpoints that are kept, and whether to go on."""
        number = outcome.number
        recorded = self.queue.tell(self._leases[number], outcome)
        self._leases.release(number)  # not before: an outcome that could not be recorded is recorded at the end
        if not recorded:
            self.display.message(
                f"trial {number}: another coordinator has taken over this trial because its lease expired; "
                "this result is ignored"
            )
        elif outcome.policy.state is not TrialState.WAITING:
            self._aftermath.of([outcome])
        self.failure = self._failures.judge(outcome, self.launcher.slots) or self.failure

    def _record_end(self, started_at: float, ending: Ending | None) -> None:
        """Leaves no trial RUNNING and writes the results, as far as the storage and the disk allow it.

        What they do not allow is left to the next search.
        """
        seconds = time.monotonic() - self._began
        try:
            for number in self._leases.numbers:
                self._record(Outcome(number=number, kind=Kind.INTERRUPTED))
            record_run(
                self.queue,
                started_at=started_at,
                seconds=seconds,
                workers=self.launcher.slots,
                packing=self._packing,
                ending=ending or "error",
            )
            write_results(self.queue)
        except Exception as error:
            reason = as_unavailable(error)
            if reason is None:
                raise
            if ending is not None:
                raise reason from error
            # Otherwise an error is raised already, most likely this one.
