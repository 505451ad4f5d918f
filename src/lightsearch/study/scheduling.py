"""Asks the study's scheduler about the trials of the storage, and writes down what it decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lightsearch.compat.optuna_trials import enqueued_params_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.creation import has_begun
from lightsearch.study.lineage import PARENT, start_of
from lightsearch.study.origin import is_foreign
from lightsearch.study.schedulers import Curve, Decision, Enqueued, Progress
from lightsearch.study.schedulers.beliefs import Centre
from lightsearch.study.schedulers.choice import make_scheduler
from lightsearch.study.stalling import has_stalled
from lightsearch.study.status import PAUSED

UNTIL = "until"
"""The attribute of a trial with the epoch after which it pauses."""

DECISIONS = "decisions"
"""The attribute of a trial with what the scheduler decided about it: a list of ``{"after", "until", "reason"}``."""

PROGRESS = {
    TrialState.RUNNING: Progress.RUNNING,
    TrialState.WAITING: Progress.PAUSED,
    TrialState.COMPLETE: Progress.FINISHED,
    TrialState.PRUNED: Progress.FINISHED,
    TrialState.FAIL: Progress.FAILED,
}


class Scheduling:
    """The scheduler of a study, and the trials as it sees them.

    Args:
        study_file: The study file.
        centres: Configurations that are believed to be good.
    """

    def __init__(self, study_file: StudyFile, centres: Sequence[Centre] = ()) -> None:
        self._scheduler = make_scheduler(study_file, centres)
        self._study_file = study_file
        self._max_epochs = study_file.trainer.max_epochs
        self._further_epochs = self._max_epochs * (study_file.validation.runs - 1 if study_file.validation else 0)
        self._sign = 1.0 if study_file.direction == "maximize" else -1.0

    @property
    def is_on(self) -> bool:
        """Whether trials pause."""
        return self._scheduler is not None

    def decide(self, trials: Sequence[FrozenTrial], n_new: int, epochs_left: int | None = None) -> Decision | None:
        """What trains next; None: nothing now, or, if no trial runs, nothing any more.

        The best trial of all is trained to its end before a study ends, which early stopping may be; a budget of epochs
        keeps what that takes. Once it has reached ``stop.value``, nothing else is trained.

        Args:
            trials: All trials of the study.
            n_new: The number of trials that may yet begin, enqueued ones included.
            epochs_left: The epochs that may yet be trained; None: no limit.
        """
        assert self._scheduler is not None
        curves = [as_curve(trial) for trial in trials if _takes_part(trial)]
        best = self._best(curves)
        decision = None
        if not self._is_good_enough(best):
            enqueued = [Enqueued(one.number, enqueued_params_of(one)) for one in trials if n_new and is_enqueued(one)]
            decision = self._scheduler.decide(curves, n_new, enqueued)
        if decision is not None and epochs_left is not None and best is not None and self._is_open(best):
            left = epochs_left - (decision.until - _after(decision, _trial_of(decision, trials)))
            decision = decision if left >= self._kept(decision, curves, best) else None
        runs = any(one.progress is Progress.RUNNING for one in curves)
        if decision is None and best is not None and self._is_open(best) and not runs:
            decision = Decision(best.number, self._max_epochs, "the best trial trains to its end")
        if decision is None or epochs_left is None:
            return decision
        epochs = _after(decision, _trial_of(decision, trials))
        affordable = decision._replace(until=min(decision.until, epochs + epochs_left))
        return affordable if affordable.until > epochs else None

    def _kept(self, decision: Decision, curves: Sequence[Curve], best: Curve) -> int:
        """The epochs that the best trial may yet take to its end, which any trial may be that runs."""
        others = [one for one in curves if one.number != decision.number]
        due = [one.due for one in others if one.progress is Progress.RUNNING or one.number == best.number]
        return self._max_epochs - min([decision.until, *due]) + self._further_epochs

    def _is_good_enough(self, best: Curve | None) -> bool:
        """Whether the best trial has reached ``stop.value``: then it alone is trained on."""
        value = self._study_file.stop.value
        if best is None or best.progress is Progress.FINISHED or value is None:
            return False
        return any(self._sign * reached >= self._sign * value for reached in best.values.values())

    def _is_open(self, best: Curve) -> bool:
        """Whether neither ``max_epochs`` nor early stopping is the end of the best trial yet."""
        if best.progress is Progress.FINISHED:
            return False
        return self._is_good_enough(best) or not has_stalled(best.values, self._study_file)

    def _best(self, curves: Sequence[Curve]) -> Curve | None:
        known = [one for one in curves if one.values and one.progress is not Progress.FAILED]
        return max(known, key=lambda one: max(self._sign * value for value in one.values.values()), default=None)

    def first_pause(self) -> int | None:
        """The number of epochs after which a trial pauses about which nothing was decided; None: it does not pause."""
        return None if self._scheduler is None else self._scheduler.first_pause


def attrs_of(decision: Decision, trial: FrozenTrial | None) -> dict[str, Any]:
    """The attributes that a trial gets from a decision.

    Args:
        decision: The decision.
        trial: The trial that continues, or was enqueued; None: it is a new one.
    """
    earlier = [] if trial is None else trial.user_attrs.get(DECISIONS, [])
    entry = {"after": _after(decision, trial), "until": decision.until, "reason": decision.reason}
    parent = {} if decision.start is None else {PARENT: decision.start._asdict()}
    return {UNTIL: decision.until, PAUSED: False, DECISIONS: [*earlier, entry], **parent}


def _trial_of(decision: Decision, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The trial that continues, or was enqueued; None: it is a new one."""
    return None if decision.number is None else trials[decision.number]


def _after(decision: Decision, trial: FrozenTrial | None) -> int:
    """The epochs trained before what was decided: those of the trial that continues, or of a new trial's parent."""
    if trial is not None:
        return as_curve(trial).epochs
    return 0 if decision.start is None else decision.start.epochs


def decisions_of(trial: FrozenTrial) -> list[tuple[int, int, str]]:
    """What the scheduler decided about a trial: the epochs so far, the epochs after which it pauses, and why."""
    stored = trial.user_attrs.get(DECISIONS)
    entries = [one for one in stored if isinstance(one, dict)] if isinstance(stored, list) else []
    try:
        return [(int(one["after"]), int(one["until"]), str(one["reason"])) for one in entries]
    except (KeyError, TypeError, ValueError):  # another program may use the same name
        return []


def describe_decisions(trial: FrozenTrial) -> str:
    """The same in a line: ``0-1 new: it trains to the first rung of [1, 3, 9]; 1-3 promoted: ...``; else empty."""
    return "; ".join(f"{after}-{until} {reason}" for after, until, reason in decisions_of(trial))


def is_scheduled(trials: Sequence[FrozenTrial]) -> bool:
    """Whether a scheduler has decided about trials of a study: then they finish late, many at a time."""
    return any(trial.user_attrs.get(UNTIL) is not None for trial in trials)


def ended_where_decided(trial: FrozenTrial, outcome: Outcome) -> bool:
    """Whether a complete trial ended where it would have paused: the scheduler decided that, and no early stopping.

    Where not every epoch is validated, a trial pauses up to some epochs later than decided.
    """
    until = until_of(trial.user_attrs)
    return outcome.kind is Kind.COMPLETE and until is not None and outcome.first_epoch + outcome.curve_epochs >= until


def as_curve(trial: FrozenTrial) -> Curve:
    """A trial as a scheduler sees it."""
    values = {step + 1: value for step, value in trial.intermediate_values.items() if math.isfinite(value)}
    attrs = trial.user_attrs
    return Curve(trial.number, trial.params, PROGRESS[trial.state], values, until_of(attrs) or 0, start_of(attrs))


def until_of(attrs: Mapping[str, Any]) -> int | None:
    """The epoch after which a trial pauses; None: it does not."""
    until = attrs.get(UNTIL)
    return None if until is None else int(until)


def is_enqueued(trial: FrozenTrial) -> bool:
    """Whether a trial waits to begin."""
    return trial.state is TrialState.WAITING and not has_begun(trial)


def _takes_part(trial: FrozenTrial) -> bool:
    """Whether the scheduler sees a trial: it has begun, and is lightsearch's own."""
    return has_begun(trial) and trial.user_attrs.get("kind") != Kind.WITHDRAWN and not is_foreign(trial)
