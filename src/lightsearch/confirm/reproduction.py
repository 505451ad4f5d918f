"""A trial compared with its repetition."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from lightsearch.confirm.curves import Curve


class Reproduction(BaseModel):
    """A trial compared with its repetition."""

    model_config = ConfigDict(frozen=True)

    trial: int
    compared: list[str]
    """The metrics whose curves were compared."""
    epochs: tuple[int, int]
    """Epochs trained then, and now."""
    first_difference: int | None
    """The first epoch, from 0, in which a metric differs by more than the tolerance."""
    tolerance: float = 0.0
    """0 means equal to the bit; it is larger if the trial trained in a pack."""
    largest: dict[str, float]
    """The largest difference of each metric, over the epochs that both have."""
    changed: list[str]
    """What is different around it: versions, device, threads."""
    unknown: list[str]
    """What was not recorded then, and so may be different."""

    @property
    def same(self) -> bool:
        """Whether the curves are equal, within the tolerance, in every epoch."""
        return self.first_difference is None and self.epochs[0] == self.epochs[1]

    def lines(self) -> list[str]:
        """The result in words."""
        metrics, (then, now) = ", ".join(self.compared), self.epochs
        if self.tolerance:
            apart = f"the largest difference is {max(self.largest.values(), default=math.inf):.3g}"
            word = "reproduced" if self.same else f"not reproduced ({then} epochs then, {now} now)"
            found = [f"trial {self.trial} trained in a pack; alone, on the same batches, it is {word}: {apart}"]
        elif self.same:
            found = [f"trial {self.trial} is reproduced to the bit: {metrics} in all {now} epochs"]
        else:
            found = [f"trial {self.trial} is not reproduced to the bit: {then} epochs then, {now} now"]
            if self.first_difference is not None:
                found.append(f"the first difference is in epoch {self.first_difference + 1}; the largest are")
            found += [f"  {metric:<10} {difference:.3g}" for metric, difference in self.largest.items()]
        found += [f"changed since: {line}" for line in self.changed]
        return found + [f"not recorded then: {line}" for line in self.unknown]


def compare(
    number: int, before: Curve, now: Curve, changed: list[str], unknown: list[str], tolerance: float = 0.0
) -> Reproduction:
    """Compares two curves, epoch by epoch and metric by metric.

    Args:
        number: The trial's number.
        before: The trial's curve.
        now: The curve of the repetition.
        changed: What is different around it.
        unknown: What may be different around it.
        tolerance: The difference in a metric that does not count.
    """
    compared = [metric for metric in before if metric in now]
    lengths = tuple(max((len(values) for values in curve.values()), default=0) for curve in (before, now))
    differing, largest = [], {}
    for metric in compared:
        pairs = list(zip(before[metric], now[metric], strict=False))
        apart = [abs(then - again) for then, again in pairs]
        largest[metric] = max(apart, default=math.inf)
        differing += [epoch for epoch, (then, again) in enumerate(pairs) if abs(then - again) > tolerance][:1]
    return Reproduction(
        trial=number,
        compared=compared,
        epochs=(lengths[0], lengths[1]),
        first_difference=min(differing, default=None),
        tolerance=tolerance,
        largest=largest,
        changed=changed,
        unknown=unknown,
    )
