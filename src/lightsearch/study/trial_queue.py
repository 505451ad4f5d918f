"""The study as coordinators see it: opened or created, its trials handed out once each and recorded once each."""

from __future__ import annotations

import copy
import pickle
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from lightsearch.declare.measures import MEASURES, SPREAD
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, ResourceUnavailable, UserError, as_unavailable
from lightsearch.machine import owner
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.paths import trial_folder
from lightsearch.storage.locks import LockLost, storage_lock, storage_time
from lightsearch.storage.retrying import History, RetryingStorage
from lightsearch.study import creation, draws, leases, pareto, provenance, samplers
from lightsearch.study.differences import differences
from lightsearch.study.origin import is_foreign
from lightsearch.study.origin import outcome_of as outcome_of
from lightsearch.study.result_file import read_outcome

TAKING_TURNS = {*samplers.ENUMERATING, "QMCSampler"}
"""Samplers that look which points are taken: two that sample at once would take the same."""

LAST_ID = 2**31 - 1
"""No trial's id is above this: it is the last that PostgreSQL has for them."""


class NoTrialReason(Enum):
    """Why there is no trial to run just now."""

    LATER = "the trials that run may be enough; if one fails, another is due"
    NONE = "the study has its total of finished trials"
    EXHAUSTED = "the sampler has visited every point of the space"


class TrialAssignment(NamedTuple):
    """A trial to run, owned by this process from now on."""

    number: int
    trial_id: int
    """The trial's id in the storage."""
    attempt: int
    """Which start of the trial this is, from 1."""
    params: dict[str, Any]
    """Its sampled parameters."""


class _Claimed(NamedTuple):
    """A running trial of this process whose parameters are not yet sampled."""

    trial_id: int
    attempt: int


class TrialQueue:
    """A study in its storage, as coordinators see it.

    Several of them may work on one study: whatever they must not do together happens under one lock.

    Args:
        study_file: The declared study.
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
        self._sampler = samplers.seeded_sampler(study_file)
        self._owner = owner.this_process().model_copy(update={"token": uuid.uuid4().hex}).model_dump()
        self._held: set[int] = set()
        """Ids of the trials that were handed out and not yet told."""
        self._seen: list[FrozenTrial] = []
        """All trials, as they were when one was last asked for: reading those that run takes long if they are many."""
        self._pickled: dict[int, bytes] = {}
        """The finished trials by their ids, for workers."""

    def open(self, facts: dict[str, Any], baseline: dict[str, Any] | None = None) -> list[str]:
        """Opens the study, or creates it.

        Args:
            facts: What is kept with a new study, and compared with an old one's: ``data`` (with its split's digest),
                ``versions``, ``device``, ``noticed`` (what may change within a study, and is said when it does).
            baseline: A configuration that a new study begins with.

        Returns:
            What has changed since the study was last run, a line each: what may change, or all that has if no trial
            had finished, so that the study begins anew.

        Raises:
            UserError: if the study of this name is another one.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # progress is the display's business
        declared = self.study_file
        first = ([baseline] if baseline is not None else []) + [*declared.enqueue]
        with self._lock():
            creation.discard_half_made(self.storage, declared.name)
            if declared.name in creation.study_names(self.storage):
                self._load()
                return self._go_on(facts, first)
            if any(self.folder.glob("trial-*")):
                hint = f"{self.folder} holds trials of a study in another storage; use --name"
                raise UserError(Mistake("name", declared.name, hint))
            creation.create(self.storage, declared, self._attrs(facts), first)
            self._load()
            return []

    def ask(self, n_trials: int) -> TrialAssignment | NoTrialReason:
        """A trial to run, with its parameters sampled: an interrupted one, an enqueued one or a new one.

        Args:
            n_trials: The study's total of finished trials.

        Returns:
            The trial, or why none is due.
        """
        while True:
            with self._lock() as check_lock:
                try:
                    claimed = self._claim(n_trials, check_lock)
                except LockLost:
                    continue  # another may have asked meanwhile: everything is read again
                if isinstance(claimed, NoTrialReason):
                    return claimed
                if self.study_file.sampler.name in TAKING_TURNS:
                    return self._sample(claimed)
            return self._sample(claimed)  # this takes longest, and the others need not wait for it

    def is_done(self, n_trials: int) -> bool:
        """Whether the study has its total of finished trials."""
        counts = Counter(trial.state for trial in self.study.get_trials(deepcopy=False))
        return counts[TrialState.COMPLETE] + counts[TrialState.PRUNED] >= n_trials

    def renew(self, assigned: Sequence[TrialAssignment]) -> list[TrialAssignment]:
        """Renews this process's leases of running trials.

        Without the lock: the worst that a late one does is to lengthen the lease of whoever took its trial over.

        Returns:
            Those that are no longer this process's: their leases had ended, and another took them over.
        """
        if not assigned:
            return []
        ids = {one.trial_id for one in assigned}
        read = self.storage._get_trials(self.study._study_id, None, ids, LAST_ID)
        trials, lease = {trial._trial_id: trial for trial in read}, self._lease()
        lost = [one for one in assigned if not self._is_ours(one, trials[one.trial_id])]
        for one in assigned:
            if one not in lost:
                with suppress(UpdateFinishedTrialError):  # it has been told meanwhile
                    self.storage.set_trial_user_attr(one.trial_id, "lease", lease)
        return lost

    def start_again(self, assigned: TrialAssignment) -> TrialAssignment | None:
        """The same trial for one more attempt; None if it is no longer this process's."""
        with self._lock():
            if not self._is_ours(assigned, self.storage.get_trial(assigned.trial_id)):
                return None
            again = assigned._replace(attempt=assigned.attempt + 1)
            self.storage.set_trial_user_attr(assigned.trial_id, "attempt", again.attempt)
            return again

    def tell(self, assigned: TrialAssignment, outcome: Outcome) -> bool:
        """Records what became of a trial; an interrupted one waits to be continued.

        Returns:
            Whether it was recorded; it is not if the trial is no longer this process's.
        """
        with self._lock():
            self._held.discard(assigned.trial_id)
            if not self._is_ours(assigned, self.storage.get_trial(assigned.trial_id)):
                return False
            self._tell(assigned.trial_id, outcome)
            return True

    def history(self) -> History | None:
        """What a worker's pruner looks at, and its sampler if it samples; None if that is nothing."""
        samples = self.study_file.objective is not None
        if isinstance(self.study.pruner, optuna.pruners.NopPruner) and not samples:
            return None
        for trial in self._seen:
            if trial.state.is_finished() and trial._trial_id not in self._pickled:
                known = copy.copy(trial)
                known.user_attrs = {}
                if not samples:
                    known.params, known.distributions = {}, {}
                self._pickled[trial._trial_id] = pickle.dumps(known)
        unfinished = {trial._trial_id for trial in self._seen if not trial.state.is_finished()}
        last_id = max((trial._trial_id for trial in self._seen), default=-1)
        return History(list(self._pickled.values()), unfinished, last_id)

    def _claim(self, n_trials: int, check_lock: Callable[[], None]) -> _Claimed | NoTrialReason:
        """Makes a trial that is due this process's, its parameters not yet sampled."""
        self._check_current()
        trials = self._seen = self._recover(self.study.get_trials(deepcopy=False))
        states = Counter(trial.state for trial in trials)
        finished = states[TrialState.COMPLETE] + states[TrialState.PRUNED]
        # Another program's running trials may never end; they are not waited for.
        running = sum(trial.state is TrialState.RUNNING and "owner" in trial.user_attrs for trial in trials)
        if finished >= n_trials:
            return NoTrialReason.NONE
        if finished + running >= n_trials:
            return NoTrialReason.LATER
        waiting = next((trial for trial in trials if trial.state is TrialState.WAITING), None)
        if waiting is None and self._exhausted(trials):
            return NoTrialReason.EXHAUSTED
        # Before or as the trial runs, so that it is never RUNNING without an owner, wherever this process is killed.
        attempt = 1 if waiting is None else int(waiting.user_attrs.get("attempt", 0)) + 1
        attrs = {"owner": self._owner, "attempt": attempt, "lease": self._lease()}
        check_lock()
        if waiting is None:
            new = create_trial(state=TrialState.RUNNING, user_attrs=attrs)
            return _Claimed(self.study._storage.create_new_trial(self.study._study_id, new), attempt)
        for key, value in attrs.items():
            self.storage.set_trial_user_attr(waiting._trial_id, key, value)
        self.storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
        return _Claimed(waiting._trial_id, attempt)

    def _sample(self, claimed: _Claimed) -> TrialAssignment:
        """The trial with its parameters; whatever goes wrong gives it back, so that nothing stays RUNNING.

        Raises:
            ResourceUnavailable: if it cannot be sampled.
        """
        try:
            return self._sampled(claimed)
        except BaseException as error:
            with suppress(Exception):  # of a storage that is gone; the next run finds the trial abandoned
                self._give_back(claimed)
            if not isinstance(error, Exception) or as_unavailable(error) is not None:
                raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ResourceUnavailable(f"sampler {self.study_file.sampler.name} proposes no trial: {reason}") from error

    def _sampled(self, claimed: _Claimed) -> TrialAssignment:
        known, space = self.storage.get_trial(claimed.trial_id), self.study_file.space
        if known.params and not space.is_sampled(known.params):
            # Somebody was stopped half way. What is left would be drawn from where the drawing began.
            self.storage.forget_params(claimed.trial_id)
        self.study._thread_local.cached_all_trials = self._seen  # or the sampler would read all of them once more
        trial = Trial(self.study, claimed.trial_id)
        params = space.suggest(trial)
        self._held.add(claimed.trial_id)
        return TrialAssignment(trial.number, claimed.trial_id, claimed.attempt, params)

    def _give_back(self, claimed: _Claimed) -> None:
        """A trial that could not be sampled waits again; one that was enqueued with what cannot be sampled fails."""
        trial = self.storage.get_trial(claimed.trial_id)
        outcome = Outcome(number=trial.number, kind=Kind.INTERRUPTED)
        try:
            draws.enqueue(self.study_file.space, trial.system_attrs.get("fixed_params", {}))
        except Exception as error:  # of the values, and not of the sampler
            said = TrialError(type=type(error).__name__, message=str(error), traceback=str(error))
            outcome = Outcome(number=trial.number, kind=Kind.USER_ERROR, error=said)
        self._tell(claimed.trial_id, outcome)

    def _tell(self, trial_id: int, outcome: Outcome) -> None:
        state = outcome.policy.state
        if state is TrialState.WAITING:
            self.storage.set_trial_state_values(trial_id, state)
            return
        self.storage.set_trial_user_attr(trial_id, "kind", outcome.kind)
        self.storage.set_trial_user_attr(
            trial_id, "result", outcome.model_dump(mode="json", exclude={"params", "kind"})
        )
        if any(spreads := self._spreads(outcome)):
            self.storage.set_trial_user_attr(trial_id, pareto.SPREADS, spreads)
        try:
            self.study.tell(outcome.number, self._value(outcome) if state is TrialState.COMPLETE else None, state)
        except UpdateFinishedTrialError:
            # The connection broke after the storage had recorded it, and it was asked to once more.
            if self.storage.get_trial(trial_id).state is not state:
                raise

    def _value(self, outcome: Outcome) -> float | list[float] | None:
        """What Optuna is told of a complete trial: its value, or each of several objectives."""
        if not self.study_file.multi_objective:
            return outcome.value
        return [outcome.metrics[name] for name in self.study_file.metrics]

    def _spreads(self, outcome: Outcome) -> list[float]:
        """What differs by less is equal, for each objective; 0 for those that are exact."""
        metrics = self.study_file.metrics
        return [outcome.metrics.get(name + SPREAD, 0.0) if name in MEASURES else 0.0 for name in metrics]

    def _recover(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Takes over the trials whose coordinator is gone: those that had ended are told, the others wait again."""
        running = [trial for trial in trials if trial.state is TrialState.RUNNING]
        now = storage_time(self.storage) if running else 0.0
        stale = [
            trial
            for trial in running
            if trial._trial_id not in self._held
            and (leases.is_stale(trial.user_attrs, now) or self._is_orphaned(trial))
        ]
        for trial in stale:
            outcome = read_outcome(trial_folder(self.folder, trial.number), int(trial.user_attrs["attempt"]))
            self._tell(trial._trial_id, outcome or Outcome(number=trial.number, kind=Kind.INTERRUPTED))
        return self.study.get_trials(deepcopy=False) if stale else trials

    def _is_orphaned(self, trial: FrozenTrial) -> bool:
        """Whether a running trial that is not held is this queue's: the answer to its own question was cut off."""
        return bool(trial.user_attrs.get("owner") == self._owner)

    def _check_current(self) -> None:
        """Ends a search that opened the study before another one declared it anew.

        Raises:
            ResourceUnavailable: if the study of this name is another one.
        """
        try:
            name = self.storage.get_study_name_from_id(self.study._study_id)
        except KeyError:
            name = ""
        if name != self.study_file.name:
            raise ResourceUnavailable(f"the study {self.study_file.name} was declared anew by another search meanwhile")

    def _is_ours(self, assigned: TrialAssignment, trial: FrozenTrial) -> bool:
        mine = trial.user_attrs.get("owner") == self._owner
        return mine and trial.state is TrialState.RUNNING and trial.user_attrs["attempt"] == assigned.attempt

    def _lease(self) -> float:
        return round(storage_time(self.storage) + leases.LEASE_SECONDS, 1)

    @contextmanager
    def _lock(self) -> Iterator[Callable[[], None]]:
        with storage_lock(self.url, f"study-{self.study_file.name}", retry_seconds=self.storage.retry_seconds) as check:
            yield check

    def _exhausted(self, trials: list[FrozenTrial]) -> bool:
        if self.study_file.sampler.name not in samplers.ENUMERATING:
            return False
        points = samplers.points(self.study_file) if self.study_file.objective is None else None
        if points is None:
            return self._sampler.is_through(self.study)
        return len({tuple(sorted(trial.params.items())) for trial in trials if not is_foreign(trial)}) >= points

    def _load(self) -> None:
        self.study = optuna.load_study(
            study_name=self.study_file.name,
            storage=self.storage,
            sampler=self._sampler,
            pruner=samplers.pruner(self.study_file),
        )

    def _attrs(self, facts: dict[str, Any]) -> dict[str, Any]:
        """What is kept with the study."""
        declared, search = self.study_file, _search(self.study_file)
        return {
            "metric": declared.metric,
            "fingerprint": declared.fingerprint(),
            "search": search,
            "noticed": {},
            **facts,
        }

    def _go_on(self, facts: dict[str, Any], first: list[dict[str, Any]]) -> list[str]:
        """Refuses another study of the same name; returns what has changed and may."""
        stored, attrs = self.study.user_attrs, self._attrs(facts)
        if "fingerprint" not in stored:
            hint = "is a study that lightsearch did not make; use --name"
            raise UserError(Mistake("name", self.study_file.name, hint))
        changes = differences(stored["fingerprint"], attrs["fingerprint"])
        before, now = stored["data"].get("split_hash"), facts["data"].get("split_hash")
        if before != now and not any(change.startswith(("data", "seed")) for change in changes):
            changes.append(f"the data: split {str(before)[:12]} in the study, {str(now)[:12]} in the files")
        if changes:
            self._check_unfinished(changes)
            kept = creation.replace(self.storage, self.study, self.study_file, attrs, first, self.folder)
            self._load()
            what = f"; what had begun is kept as the study {kept}" if kept is not None else ""
            return [*changes, f"no trial had finished, so the study begins anew{what}"]
        known, search = {"noticed": {}, **stored}, attrs["search"]
        allowed = differences(stored["search"], search) + provenance.changes(known["noticed"], attrs["noticed"])
        for key in ("search", "noticed"):
            if known[key] != attrs[key]:
                self.study.set_user_attr(key, attrs[key])
        if allowed:
            log = [*stored.get("changes", []), {"time": time.time(), "changes": allowed}]
            self.study.set_user_attr("changes", log)
        return allowed

    def _check_unfinished(self, changes: list[str]) -> None:
        """Refuses another declaration if there are results of this one, or somebody works at some."""
        name, trials = self.study_file.name, self._recover(self.study.get_trials(deepcopy=False))
        lines = [f"  {change}" for change in changes]
        if any(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials):
            raise UserError(
                f"The study {name} holds trials of another declaration:",
                *lines,
                f"Give this one a name of its own (--name {name}-2), or undo the change (also with --set).",
            )
        owned = any(trial.state is TrialState.RUNNING and "owner" in trial.user_attrs for trial in trials)
        if owned or creation.is_worked_in(self.folder):
            raise UserError(
                f"The study {name} runs just now with another declaration:",
                *lines,
                f"Stop that search first, or give this one a name of its own (--name {name}-2).",
            )


def _search(study_file: StudyFile) -> dict[str, Any]:
    """What may change within a study, and is logged when it does."""
    search: dict[str, Any] = study_file.model_dump(mode="json", include={"sampler", "pruner"})
    return search
