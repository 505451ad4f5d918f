"""A check for leaders at a bound of the space."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lightsearch.report.diagnostics.as_toml import as_declaration
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import MIN_TRIALS, StudyView

EDGE = 0.05
"""The outer part of a range, on the scale of the sampling, that counts as its bound."""


def find_bounds(view: StudyView) -> Iterator[Finding]:
    """Parameters whose best value is at a bound, where other leaders are as well."""
    if len(view.complete) < MIN_TRIALS:
        return
    best = view.complete[0]
    for name, distribution in view.distributions.items():
        position = _position(best.params[name], distribution) if name in best.params else None
        if position is None or EDGE < position < 1 - EDGE:
            continue
        upper = position > 0.5
        leaders = [_position(trial.params[name], distribution) for trial in view.leaders if name in trial.params]
        n_there = sum(one is not None and (one >= 1 - EDGE if upper else one <= EDGE) for one in leaders)
        # Among a few values the best is often an end by chance: half of the leaders must be there.
        declaration, required = _wider(distribution, upper=upper), 0.5 if _has_few_values(distribution) else 2 * EDGE
        if declaration is None or n_there <= required * len(leaders):
            continue
        end, bound = "upper" if upper else "lower", _ends(distribution)[upper]
        yield Finding(
            "bound",
            f"The best trial's {name} = {best.params[name]:.4g} is at the {end} bound of the space, {bound:g}; "
            f"{n_there} of the {len(leaders)} leading trials {'is' if n_there == 1 else 'are'} there.",
            f"To search beyond it, {view.how_to_declare(name, declaration, wider=True)}.",
        )


def _has_few_values(distribution: BaseDistribution) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return True
    return isinstance(distribution, IntDistribution) and distribution.high - distribution.low < 1 / EDGE


def _numbers(distribution: CategoricalDistribution) -> list[int | float]:
    return sorted(choice for choice in distribution.choices if isinstance(choice, int | float))


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    if isinstance(distribution, CategoricalDistribution):
        numbers = _numbers(distribution)
        return numbers[0], numbers[-1]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return distribution.low, distribution.high


def _position(value: Any, distribution: BaseDistribution) -> float | None:
    """A value's position between the bounds, in [0, 1], on the scale of the sampling; None if it has no order."""
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        if len(choices) < 3 or any(isinstance(one, bool) or not isinstance(one, int | float) for one in choices):
            return None
        return _numbers(distribution).index(value) / (len(choices) - 1)
    low, high = _ends(distribution)
    if high <= low:
        return None
    if getattr(distribution, "log", False):
        low, high, value = math.log(low), math.log(high), math.log(value)
    return float((value - low) / (high - low))


def _wider(distribution: BaseDistribution, *, upper: bool) -> str | None:
    """The declaration with the upper or the lower bound moved outwards; None if the bound is a natural limit."""
    if isinstance(distribution, CategoricalDistribution):
        return _wider_choice(_numbers(distribution), upper=upper)
    low, high = _ends(distribution)
    whole = isinstance(distribution, IntDistribution)
    if getattr(distribution, "log", False):
        factor = 4 if whole else 10
        new_low, new_high = (low, high * factor) if upper else (max(1, low // factor) if whole else low / factor, high)
    else:
        width = (high - low) / 2
        step = getattr(distribution, "step", None)
        width = math.ceil(width / step) * step if step else width
        new_low, new_high = (low, high + width) if upper else (low - width, high)
        if not upper and low >= 0 > new_low:  # the declared range has no negative values
            new_low = min(1, low) if whole else 0
        if upper and (low, high) == (0, 1):  # a share
            return None
    if (new_low, new_high) == (low, high):
        return None
    return as_declaration(distribution, new_low, new_high)


def _wider_choice(numbers: list[int | float], *, upper: bool) -> str | None:
    """The choices and one more, in the ratio of the last two."""
    ratio = numbers[-1] / numbers[-2] if upper else numbers[1] / numbers[0] if numbers[0] else 0
    new = numbers[-1] * ratio if upper else (numbers[0] / ratio if ratio else 0)
    if all(isinstance(one, int) for one in numbers):
        new = round(new)
    if new <= 0 or new in numbers:
        return None
    return f"choice = [{', '.join(f'{one:g}' for one in sorted([*numbers, new]))}]"
