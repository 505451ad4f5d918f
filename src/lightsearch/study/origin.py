"""Which program ran a trial: lightsearch, or another program that works on the same study.

There is one rule. A trial that another program ran (with ``study.optimize``, for example) counts towards the study's
total; samplers, pruners and tables use it. It is never a leader: lightsearch has no checkpoint of it, and cannot test
it or train it again as the study declares. The best trial, the leaders, the Pareto front and the conclusions from them
are those of lightsearch's own trials. In a study that lightsearch did not make all trials are treated alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightsearch.outcome import Kind, Outcome
from lightsearch.study import pareto
from lightsearch.study.pareto import as_list
from lightsearch.study.status import is_paused

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
"""States that count towards the study's total."""

KINDS = tuple(Kind)


def outcome_of(trial: FrozenTrial) -> Outcome | None:
    """The outcome that lightsearch recorded; None if the trial has not ended, or another program ended it.

    A paused trial has that of its epochs so far. One that runs again, or was interrupted later, has trained more.
    Another program may use attributes of the same names, or add a copy of a trial of another study.
    """
    if not _is_recorded(trial) or not (trial.state.is_finished() or is_paused(trial)):
        return None
    try:
        return Outcome(kind=Kind(trial.user_attrs["kind"]), params=trial.params, **trial.user_attrs["result"])
    except (TypeError, ValueError):  # pydantic's ValidationError is a ValueError
        return None


def is_foreign(trial: FrozenTrial) -> bool:
    """Whether another program ended a trial, or runs it. It is fast: displays ask it of every trial."""
    attrs = trial.user_attrs
    if trial.state is TrialState.WAITING:
        return False
    if trial.state not in FINISHED:
        return "owner" not in attrs and not _is_recorded(trial)
    return not _is_recorded(trial)


def ended_how(trial: FrozenTrial) -> str:
    """How a trial ended, in words that follow its number."""
    if is_foreign(trial):
        return "comes from another program"
    outcome = outcome_of(trial)
    if outcome is None:
        return "has not ended"
    return "is paused" if outcome.kind is Kind.PAUSED else f"ended as {outcome.kind}"


def may_lead(trials: Sequence[FrozenTrial], attrs: Mapping[str, Any]) -> list[FrozenTrial]:
    """The trials that can be leaders, and that conclusions are drawn from.

    Args:
        trials: All trials of a study.
        attrs: The study's user attributes, which say whether lightsearch made it.
    """
    return [trial for trial in trials if not is_foreign(trial)] if _is_made_here(attrs) else list(trials)


class Others(NamedTuple):
    """The trials of other programs."""

    trials: int
    """How many."""
    counted: int
    """How many of them count towards the study's total: complete and pruned ones."""
    best: FrozenTrial | None
    """The best of them, by the first objective."""

    def text(self, metric: str) -> str:
        """How many they are and which is the best, in a sentence."""
        many = "1 trial comes" if self.trials == 1 else f"{self.trials:,} trials come"
        best = ""
        if self.best is not None:
            of_them = "it" if self.trials == 1 else "the best of them"
            best = f"; {of_them}, trial {self.best.number}, has {metric} {self.best.values[0]:.5g}"
        return f"{many} from another program{best}."

    @property
    def rule(self) -> str:
        """What lightsearch does with them, in a sentence."""
        return (
            f"The sampler learns from them, and {self.counted:,} {'counts' if self.counted == 1 else 'count'} towards "
            "--n-trials, but they are never reported as the best trial: lightsearch has no checkpoints or results for "
            "them."
        )


def others(trials: Sequence[FrozenTrial], attrs: Mapping[str, Any], directions: Sequence[str]) -> Others | None:
    """The trials of other programs in a study of lightsearch; None if there are none.

    Args:
        trials: All trials of the study.
        attrs: The study's user attributes.
        directions: ``maximize`` or ``minimize``, for each objective.
    """
    foreign = [trial for trial in trials if is_foreign(trial)] if _is_made_here(attrs) else []
    if not foreign:
        return None
    best = pareto.ranked(foreign, directions)
    return Others(len(foreign), sum(trial.state in FINISHED for trial in foreign), best[0] if best else None)


def note(study: optuna.Study) -> str | None:
    """What a user should know about the trials of other programs, in one line; None if there are none."""
    directions = ["minimize" if direction.name == "MINIMIZE" else "maximize" for direction in study.directions]
    found = others(study.get_trials(deepcopy=False), study.user_attrs, directions)
    if found is None:
        return None
    return f"{found.text(as_list(study.user_attrs.get('metric') or 'value')[0])} {found.rule}"


def _is_recorded(trial: FrozenTrial) -> bool:
    """Whether lightsearch recorded how the trial ended."""
    kind, result = trial.user_attrs.get("kind"), trial.user_attrs.get("result")
    return kind in KINDS and isinstance(result, dict) and result.get("number") == trial.number


def _is_made_here(attrs: Mapping[str, Any]) -> bool:
    """Whether lightsearch made a study."""
    return isinstance(attrs.get("fingerprint"), dict)
