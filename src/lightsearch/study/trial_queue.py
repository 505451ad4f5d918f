"""The queue of a study's trials, as coordinators see it: each trial is assigned once and recorded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from lightsearch.compat.optuna_trials import (
    FIXED_PARAMS,
    add_trial,
    enqueued_params_of,
    set_cached_trials,
    trial_id_of,
)
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable, as_unavailable, first_line
from lightsearch.outcome import EARLY_STOPPING, NOT_RESUMED, Kind, Outcome, TrialError
from lightsearch.storage.locks import LockLost, study_lock
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.storage.worker_storage import History
from lightsearch.study import draws, learning, samplers, succession, withdrawal
from lightsearch.study.assignment import NoTrialReason, TrialAssignment
from lightsearch.study.budget import Budget
from lightsearch.study.creation import has_begun
from lightsearch.study.epoch_values import curve_of
from lightsearch.study.history import HistoryMaker
from lightsearch.study.leases import Leases
from lightsearch.study.lineage import PARENT, start_of
from lightsearch.study.opening import open_study
from lightsearch.study.origin import FINISHED
from lightsearch.study.recording import record
from lightsearch.study.schedulers import Decision
from lightsearch.study.scheduling import UNTIL, Scheduling, attrs_of
from lightsearch.study.spec_error import described
from lightsearch.study.stalling import has_stalled
from lightsearch.study.status import PAUSED, is_paused
from lightsearch.study.still_open import check_not_replaced
from lightsearch.study.widenings import widenings


class _Claimed(NamedTuple):
    """A running trial of this coordinator whose parameters are not yet sampled."""

    trial_id: int
    attempt: int
    until: int | None
    spent: float


class TrialQueue:
    """A study's trials, as a coordinator sees them.

    Several coordinators may work on one study. A lock of the storage guards what they must not do at the same time.

    Args:
        study_file: The study file.
        storage: The opened storage.
        url: Its URL, for the lock.
        folder: The study's folder.
    """

    def __init__(self, study_file: StudyFile, storage: RetryingStorage, url: str, folder: Path) -> None:
        self.study_file = study_file
        self.storage = storage
        self.url = url
        self.folder = folder
        self.study: optuna.Study
        self._scheduling: Scheduling
        self._leases: Leases
        self._histories: HistoryMaker
        self._n_widenings = 0
        self._sampler_failed: samplers.SamplerFailed | None = None
        self._replaced: list[Outcome] = []
        self._trials: list[FrozenTrial] = []
        """All trials at the time of the last ``ask``: reading many running trials takes long."""

    def open(self, facts: dict[str, Any], baseline: dict[str, Any] | None = None, **widening: Any) -> list[str]:
        """Opens the study, or creates it; the first call. See ``opening.open_study`` for arguments and errors.

        Returns:
            What has changed since the study was last run, one line each.
        """
        with self._lock():
            self.study, changes = open_study(self.storage, self.study_file, self.folder, facts, baseline, **widening)
            centres = learning.believed(self.study_file, self.study.user_attrs.get(learning.ATTR, []))
            self._scheduling = Scheduling(self.study_file, centres)
            self._n_widenings = len(widenings(self.study.user_attrs))
        self._leases = Leases(self.study, self.storage, self.study_file, self.folder)
        self._histories = HistoryMaker(self.study, self.study_file)
        return changes

    def ask(self, n_trials: int, epochs: int | None = None) -> TrialAssignment | NoTrialReason:
        """A trial to run, with its parameters sampled: an interrupted, an enqueued, a paused or a new one.

        Args:
            n_trials: The study's total of finished trials.
            epochs: The study's total of epochs; None: no limit.

        Raises:
            ResourceUnavailable: if the sampler fails, or another search has replaced the study.
        """
        while True:
            with self._lock() as check_lock:
                try:
                    claimed = self._claim(Budget(n_trials, epochs), check_lock)
                except LockLost:
                    continue  # another coordinator may have asked meanwhile: read everything again
                if isinstance(claimed, NoTrialReason):
                    return claimed
                if samplers.samples_alone(self.study_file):
                    return self._sample(claimed)
            return self._sample(claimed)  # sampling takes longest, and the others need not wait for it

    def is_done(self, n_trials: int, epochs: int | None = None) -> bool:
        """Whether the study has its total of finished trials, or of epochs."""
        return Budget(n_trials, epochs).is_spent(self.study.get_trials(deepcopy=False))

    def end_paused(self) -> list[Outcome]:
        """Ends the trials that are paused, from which the scheduler expects nothing more. Those that early stopping
        would have ended are complete.

        Returns:
            Their outcomes.
        """
        with self._lock():
            paused = [trial for trial in self.study.get_trials(deepcopy=False) if is_paused(trial)]
            return [self._end_waiting(trial, self._reason_to_end(trial)) for trial in paused]

    def _reason_to_end(self, trial: FrozenTrial) -> str:
        return EARLY_STOPPING if has_stalled(curve_of(trial), self.study_file) else NOT_RESUMED

    def take_replaced(self) -> list[Outcome]:
        """The outcomes of the trials that ``ask`` has ended since the last call: others have taken their places."""
        replaced, self._replaced = self._replaced, []
        return replaced

    def tell(self, assigned: TrialAssignment, outcome: Outcome) -> bool:
        """Records the outcome of a trial. An interrupted trial waits to be continued.

        Returns:
            Whether it was recorded; it is not if this coordinator no longer owns the trial.
        """
        with self._lock():
            self._leases.held.discard(assigned.trial_id)
            if not self._leases.is_owned(assigned, self.storage.get_trial(assigned.trial_id)):
                return False
            try:
                self._record(assigned.trial_id, outcome)
            except samplers.SamplerFailed as failure:  # the outcome is recorded; the next trial is not sampled
                self._sampler_failed = failure
            return True

    def renew(self, assigned: Sequence[TrialAssignment]) -> list[TrialAssignment]:
        """Renews the leases of running trials; returns the trials that this coordinator no longer owns."""
        return self._leases.renew(assigned)

    def start_again(self, assigned: TrialAssignment) -> TrialAssignment | None:
        """The same trial for another attempt; None if this coordinator no longer owns it."""
        with self._lock():
            return self._leases.start_again(assigned)

    def history(self) -> History | None:
        """What the pruner and the sampler of a worker look at; None if they look at nothing."""
        return self._histories.history(self._trials)

    @contextmanager
    def _lock(self) -> Iterator[Callable[[], None]]:
        with study_lock(self.url, self.study_file.name, retry_seconds=self.storage.retry_seconds) as check:
            yield check

    def _claim(self, budget: Budget, check_lock: Callable[[], None]) -> _Claimed | NoTrialReason:
        """Makes a waiting or a new trial this coordinator's, without parameters."""
        check_not_replaced(self.study, self.storage, self.study_file.name, self._n_widenings)
        trials = self._trials = self._end_replaced(self._leases.recover(self.study.get_trials(deepcopy=False)))
        states = Counter(trial.state for trial in trials)
        finished = sum(states[state] for state in FINISHED)
        # The running trials of other programs may never end, so the search does not wait for them.
        running = sum(trial.state is TrialState.RUNNING and "owner" in trial.user_attrs for trial in trials)
        if finished >= budget.n_trials:
            return NoTrialReason.NONE
        if finished + running >= budget.n_trials:
            return NoTrialReason.LATER
        if self._sampler_failed is not None:
            raise self._sampler_failed
        decision, left = None, budget.epochs_left(trials)
        n_new = max(0, budget.n_trials - finished - running - sum(map(self._is_paused, trials)))
        may_begin = n_new > 0 and (left is None or left > 0)
        waiting = self._waiting(trials, may_begin=may_begin and not self._scheduling.is_on)
        if waiting is None and self._scheduling.is_on:
            decision = self._scheduling.decide(trials, n_new, left)
            if decision is None:
                return NoTrialReason.LATER if running else NoTrialReason.SETTLED
            waiting = None if decision.number is None else trials[decision.number]
        elif waiting is None and left is not None and left <= 0:
            return NoTrialReason.LATER if running else NoTrialReason.NONE
        is_new = waiting is None and (decision is None or decision.params is None)
        if is_new and samplers.is_exhausted(self.study_file, self.study, trials):
            return NoTrialReason.EXHAUSTED
        check_lock()
        return self._begin(waiting, decision)

    def _waiting(self, trials: list[FrozenTrial], *, may_begin: bool) -> FrozenTrial | None:
        """The first trial that waits to be continued after an interruption, or to begin, since it was enqueued.

        A scheduler decides when an enqueued one begins."""
        waiting = (one for one in trials if one.state is TrialState.WAITING and not self._is_paused(one))
        return next((one for one in waiting if may_begin or has_begun(one)), None)

    def _is_paused(self, trial: FrozenTrial) -> bool:
        """Whether a trial waits for the scheduler. Without one, it continues as one that was interrupted."""
        return self._scheduling.is_on and is_paused(trial)

    def _begin(self, waiting: FrozenTrial | None, decision: Decision | None) -> _Claimed:
        """Makes a trial that waits, or a new one, a running trial of this coordinator."""
        before = {} if waiting is None else waiting.user_attrs
        attempt = int(before.get("attempt", 0)) + 1
        attrs = self._leases.new(attempt)
        if decision is not None:
            attrs |= attrs_of(decision, waiting)
        elif self._scheduling.is_on and UNTIL not in before:  # the study had no scheduler before
            attrs |= {UNTIL: self._scheduling.first_pause(), PAUSED: False}
        elif not self._scheduling.is_on and UNTIL in before:  # the study had a scheduler before
            attrs |= {UNTIL: None, PAUSED: False}
        until, spent = {**before, **attrs}.get(UNTIL), float(before.get("result", {}).get("seconds", 0.0))
        # The owner is written with the state: wherever this process is killed, no running trial lacks one.
        if waiting is None:
            system_attrs = {} if decision is None or decision.params is None else {FIXED_PARAMS: dict(decision.params)}
            new = create_trial(state=TrialState.RUNNING, user_attrs=attrs, system_attrs=system_attrs)
            if decision is not None and decision.start is not None:
                succession.keep(self.folder, decision.start)
            trial_id = add_trial(self.study, new)
            if PARENT in attrs:
                self._end_replaced(self.study.get_trials(deepcopy=False))
            return _Claimed(trial_id, attempt, until, spent)
        trial_id = trial_id_of(waiting)
        self.storage.write_trial(trial_id, attrs, TrialState.RUNNING)
        return _Claimed(trial_id, attempt, until, spent)

    def _end_replaced(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Completes what trials need that begin from others; returns all trials of the study as they are then."""
        ended = succession.complete(self.folder, trials, self._end_waiting)
        self._replaced += ended
        return self.study.get_trials(deepcopy=False) if ended else trials

    def _end_waiting(self, trial: FrozenTrial, reason: str) -> Outcome:
        around = (self.study, self.storage, self.study_file, self._leases, self.folder)
        return withdrawal.end_waiting(*around, trial, reason)

    def _sample(self, claimed: _Claimed) -> TrialAssignment:
        """Samples a trial's parameters. After any error the trial is given back, so that it does not stay RUNNING.

        Raises:
            ResourceUnavailable: if the sampler fails.
        """
        try:
            return self._suggest(claimed)
        except BaseException as error:
            with suppress(Exception):  # the storage may be gone; then the next run finds a stale trial
                self._give_back(claimed)
            if not isinstance(error, Exception) or as_unavailable(error) is not None:
                raise
            spec = self.study_file.sampler
            reason = first_line(error) if spec.of_optuna else described(error)
            raise ResourceUnavailable(f"sampler {spec.label} proposes no trial: {reason}") from error

    def _suggest(self, claimed: _Claimed) -> TrialAssignment:
        before, space = self.storage.get_trial(claimed.trial_id), self.study_file.space
        if before.params and not space.is_sampled(before.params):
            # An earlier attempt was stopped half-way. The seeded sampler draws all parameters again from the start.
            self.storage.forget_params(claimed.trial_id)
        set_cached_trials(self.study, self._trials)  # else the sampler reads all of them again
        trial = Trial(self.study, claimed.trial_id)
        params = space.suggest(trial)
        self._leases.held.add(claimed.trial_id)
        facts = (trial.number, claimed.trial_id, claimed.attempt, params, claimed.until, claimed.spent)
        return TrialAssignment(*facts, start_of(before.user_attrs))

    def _give_back(self, claimed: _Claimed) -> None:
        """Makes a trial that could not be sampled wait again; it fails if it was enqueued with impossible values."""
        trial = self.storage.get_trial(claimed.trial_id)
        outcome = Outcome(number=trial.number, kind=Kind.INTERRUPTED)
        try:
            draws.try_enqueued(self.study_file.space, enqueued_params_of(trial))
        except Exception as error:  # the values are wrong, not the sampler
            reason = TrialError(type=type(error).__name__, message=str(error), traceback=str(error))
            outcome = Outcome(number=trial.number, kind=Kind.USER_ERROR, error=reason)
        self._record(claimed.trial_id, outcome)

    def _record(self, trial_id: int, outcome: Outcome) -> None:
        record(self.study, self.storage, self.study_file, trial_id, outcome)
