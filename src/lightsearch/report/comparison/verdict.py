"""Which study is better, and whether that is more than luck."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lightsearch.report.facts.facts import Facts

SURE = 2.0
"""A difference of this many standard errors is called one."""


def verdict(studies: Sequence[Facts]) -> str:
    """The result of a comparison in a sentence."""
    known = [facts for facts in studies if facts.best is not None]
    if len(known) < 2:
        missing = ", ".join(facts.name for facts in studies if facts.best is None)
        return f"Nothing to compare yet: no trial of {missing} is complete."
    sign = 1.0 if known[0].maximize else -1.0
    first, second, *_ = sorted(known, key=lambda facts: sign * _value(facts), reverse=True)
    reaches = (
        f"{first.name} reaches {first.metric} {first.show(_value(first))}, {second.name} {first.show(_value(second))}"
    )
    if _value(first) == _value(second):
        return f"{reaches}: they are equal."
    errors = [_error(facts) for facts in (first, second)]
    if None in errors:
        return f"{reaches}; whether that is more than luck is not known."
    error = math.hypot(*(error for error in errors if error is not None))
    sure = abs(_value(first) - _value(second)) >= SURE * error
    return f"{reaches}: {'more than' if sure else 'no more than'} the noise of the two measurements explains."


def _value(facts: Facts) -> float:
    assert facts.best is not None
    assert facts.best.value is not None
    return facts.best.value


def _error(facts: Facts) -> float | None:
    """The standard error of the best value; None if it is not known."""
    outcome = facts.best.outcome if facts.best is not None else None
    if outcome is not None and outcome.std is not None and outcome.run_values:
        return outcome.std / math.sqrt(len(outcome.run_values))
    return facts.error
