"""The rules by which a study stops by itself: good enough, no improvement, nothing to gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lightsearch.declare.sections import StopRules
from lightsearch.study.origin import FINISHED, is_foreign, outcome_of
from lightsearch.study.remaining_gain import CONFIDENCE, RemainingGain, remaining_gain

IN_A_ROW = 5
"""``min_gain`` stops a study if the bound is below it after each of this many trials.

A rule that looks after every trial stops at a moment when the bound is low by chance. Measured on 17 tasks of LCBench
with TPE, 3 seeds each and a horizon of 20: the bound, which claims 90 percent, holds in 94 to 96 percent of the cases
at a fixed number of trials; at the first trial at which it is below ``min_gain`` in 76 to 88 percent; after five in a
row in 93 to 100 percent.
"""


def rules_of(attrs: Mapping[str, Any]) -> StopRules:
    """The rules that a study was last run with.

    Args:
        attrs: The study's user attributes.
    """
    return StopRules.model_validate(attrs.get("search", {}).get("stop", {}))


class StopWatch:
    """Says why a study stops, and looks again whenever a trial has finished.

    Args:
        rules: The rules.
        direction: ``maximize`` or ``minimize``.
    """

    def __init__(self, rules: StopRules, direction: str) -> None:
        self.has_rules = bool(rules.model_dump(exclude_defaults=True))
        """Whether there is anything to look at: reading all trials of a long study takes a while."""
        self._rules = rules
        self._direction = direction
        self._n_finished = 0
        self.reason: str | None = None
        """Why the study stops, in words; None: it goes on."""

    def look(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Looks at all trials of the study, and returns the reason."""
        if not self.has_rules:
            return None
        n_finished = sum(trial.state in FINISHED for trial in trials)
        if n_finished != self._n_finished:
            self._n_finished = n_finished
            self.reason = reason_to_stop(self._rules, trials, self._direction)
        return self.reason


def reason_to_stop(rules: StopRules, trials: Sequence[FrozenTrial], direction: str) -> str | None:
    """Why a study stops, in words; None: it goes on.

    Args:
        rules: The rules.
        trials: All trials of the study. Those of other programs are left out.
        direction: ``maximize`` or ``minimize``.
    """
    sign = -1.0 if direction == "minimize" else 1.0
    values = _values(trials)
    best = max((sign * value for value, complete in values if complete), default=None)
    if best is None:
        return None
    if rules.value is not None and best >= sign * rules.value:
        return f"the best value {sign * best:.5g} has reached stop.value = {rules.value:g}"
    if rules.patience is not None and _since_improvement(values, sign, rules.min_delta) >= rules.patience:
        more = f" of more than {rules.min_delta:g}" if rules.min_delta else ""
        return f"the last {_since_improvement(values, sign, rules.min_delta)} trials brought no improvement{more}"
    gain = estimate(rules, trials, direction)
    if gain is not None and _is_small(rules, [value for value, _ in values], direction):
        return f"{describe(gain)}: less than stop.min_gain = {rules.min_gain:g}"
    return None


def estimate(rules: StopRules, trials: Sequence[FrozenTrial], direction: str) -> RemainingGain | None:
    """What the next trials may gain; None if it is not asked for, or too few trials have finished."""
    if rules.min_gain is None:
        return None
    return remaining_gain([value for value, _ in _values(trials)], rules.horizon, maximize=direction == "maximize")


def describe(gain: RemainingGain) -> str:
    """An estimate in words."""
    return (
        f"the next {gain.horizon} trials gain an expected {gain.expected:.2g}, and at most {gain.upper:.2g} with "
        f"{CONFIDENCE:.0%} probability"
    )


def as_json(gain: RemainingGain | None) -> dict[str, Any] | None:
    """An estimate for ``results.json``."""
    return None if gain is None else {**gain._asdict(), "confidence": CONFIDENCE}


def _is_small(rules: StopRules, values: list[float], direction: str) -> bool:
    """Whether the upper bound of the gain is below ``min_gain``, and was after each of the last trials."""
    for count in range(len(values) - IN_A_ROW + 1, len(values) + 1):
        gain = remaining_gain(values[: max(0, count)], rules.horizon, maximize=direction == "maximize")
        if rules.min_gain is None or gain is None or gain.upper >= rules.min_gain:
            return False
    return True


def _values(trials: Sequence[FrozenTrial]) -> list[tuple[float, bool]]:
    """The values of the finished trials, by number, and whether each is complete.

    A trial over a limit of ``[constraints]`` has no value, and is left out.
    """
    finished = [trial for trial in trials if trial.state in FINISHED and not is_foreign(trial)]
    outcomes = [(outcome_of(trial), trial.state is TrialState.COMPLETE) for trial in finished]
    return [(one.value, complete) for one, complete in outcomes if one is not None and one.value is not None]


def _since_improvement(values: Sequence[tuple[float, bool]], sign: float, min_delta: float) -> int:
    """The number of finished trials since the best value improved by more than ``min_delta``."""
    best, since = -float("inf"), 0
    for value, complete in values:
        since += 1
        if complete and sign * value > best + min_delta:
            best, since = sign * value, 0
    return since
