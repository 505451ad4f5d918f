"""Population based training: the worst of a population are replaced by copies of the best, with other parameters.

After Jaderberg et al., *Population based training of neural networks* (2017). There, a member takes over another one's
weights and parameters. Here, it ends, and a new trial begins from the other one's checkpoint: a trial keeps one set of
parameters. The population is compared after every ``interval`` epochs, once all members have trained so far. So the
decisions do not depend on the number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lightsearch.declare.space import Space
from lightsearch.declare.values import Value
from lightsearch.study.schedulers import Curve, Decision, Enqueued, Progress, Start
from lightsearch.study.schedulers.unit_cube import UnitCube

FACTORS = (0.8, 1.25)
"""A number is multiplied by one of them."""


class PopulationBased:
    """Trains populations, one after the other.

    Args:
        space: The search space.
        max_epochs: Epochs of a whole training.
        direction: ``maximize`` or ``minimize``.
        seed: The study's seed.
        population: The number of members.
        interval: The epochs between two comparisons.
        quantile: The share of members that are replaced, and the share that may be copied.
        mutate: The parameters that a copy changes, by their names in the study.
        resample: The probability that a parameter is drawn anew.
    """

    def __init__(
        self,
        space: Space,
        max_epochs: int,
        direction: str,
        seed: int,
        *,
        population: int,
        interval: int,
        quantile: float,
        mutate: Sequence[str],
        resample: float,
    ) -> None:
        self._cube = UnitCube(space)
        self._mutate = mutate
        self._max_epochs = max_epochs
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._seed = seed
        self._size = population
        self._interval = interval
        self._quantile = quantile
        self._resample = resample

    @property
    def first_pause(self) -> int:
        return self._interval

    def decide(self, curves: Sequence[Curve], n_new: int, enqueued: Sequence[Enqueued] = ()) -> Decision | None:
        roots = [one.number for one in curves if one.start is None]
        for first in range(0, len(roots), self._size):
            members = roots[first : first + self._size]
            if len(members) < self._size and n_new:
                return self._begin(first, len(members), enqueued)
            one = [curve for curve in curves if _root(curve) in members]
            if (decision := self._go_on(one, n_new)) is not None:
                return decision
            if any(curve.progress is Progress.RUNNING for curve in one):
                return None  # the next population begins when this one has ended
        return self._begin(len(roots), 0, enqueued) if n_new else None

    def _begin(self, first: int, n: int, enqueued: Sequence[Enqueued]) -> Decision:
        """A member that begins untrained. Those that the user has enqueued come first."""
        what = f"member {n + 1} of {self._size} of population {first // self._size + 1}"
        if enqueued:
            return Decision(enqueued[0].number, self._interval, f"enqueued: {what}")
        return Decision(None, self._interval, f"new: {what}")

    def _go_on(self, curves: list[Curve], n_new: int) -> Decision | None:
        """What a population does next; None: nothing, or nothing yet."""
        ends = {one.start.replaces: one.start.epochs for one in curves if one.start is not None}
        alive = [one for one in curves if one.number not in ends]
        waiting = [one for one in alive if one.progress is Progress.PAUSED]
        if not waiting:
            return None
        epoch = min(one.epochs for one in waiting)
        if any(one.progress is Progress.RUNNING and one.until <= epoch for one in alive):
            return None  # all are compared after the same number of epochs
        compared = [one for one in curves if _born(one) < epoch <= ends.get(one.number, epoch)]
        ranked = self._ranked(compared, epoch)
        # Once one of them has trained on, its checkpoint of this epoch is gone.
        is_open = not any(one.number not in ends and max(one.epochs, _until(one)) > epoch for one in compared)
        if is_open and n_new and epoch % self._interval == 0:
            for loser in reversed(ranked[len(ranked) - self._n_replaced(ranked) :]):
                if loser.number not in ends and (copy := self._copy(loser, ranked, epoch)) is not None:
                    return copy
        following = next(one for one in waiting if one.epochs == epoch)
        until = min(epoch - epoch % self._interval + self._interval, self._max_epochs)
        return Decision(following.number, until, f"stays: {self._place(following, ranked, epoch)}")

    def _n_replaced(self, ranked: list[Curve]) -> int:
        """The number of members that are replaced: a share, but all that have failed."""
        failed = sum(one.progress is Progress.FAILED for one in ranked)
        return max(failed, min(max(1, int(self._quantile * len(ranked))), len(ranked) // 2))

    def _ranked(self, compared: list[Curve], epoch: int) -> list[Curve]:
        """The members that are compared, the best first. One that has stopped early is done, and takes no part."""
        taking = [one for one in compared if one.progress is not Progress.FINISHED or one.epochs >= epoch]
        return sorted(taking, key=lambda one: (-self._value(one, epoch), one.number))

    def _value(self, curve: Curve, epoch: int) -> float:
        """The value after an epoch, more is better; that of a failed member is the worst."""
        if curve.progress is Progress.FAILED or epoch not in curve.values:
            return -math.inf
        return self._sign * curve.values[epoch]

    def _copy(self, loser: Curve, ranked: list[Curve], epoch: int) -> Decision | None:
        """A copy of one of the best in the place of a member; None: none of them is better."""
        donors = [
            one
            for one in ranked[: self._n_replaced(ranked)]
            if one.progress is Progress.PAUSED
            and one.epochs == epoch
            and self._value(one, epoch) > self._value(loser, epoch)
        ]
        if not donors:
            return None
        rng = np.random.default_rng([self._seed, epoch, loser.number])
        donor = donors[rng.integers(len(donors))]
        params = self._explored(donor.params, rng)
        changes = ", ".join(
            f"{name} {donor.params[name]:.4g} to {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in params.items()
            if value != donor.params[name]
        )
        start = Start(
            donor.number, epoch, loser.number, 1 + (donor.start.generation if donor.start else 0), _root(donor)
        )
        until = min(epoch + self._interval, self._max_epochs)
        reason = f"a copy of trial {donor.number}, {self._place(donor, ranked, epoch)}, instead of trial {loser.number}"
        return Decision(None, until, f"{reason}: {changes or 'nothing changes'}", params, start)

    def _place(self, member: Curve, ranked: list[Curve], epoch: int) -> str:
        if member not in ranked:
            return f"after {epoch} epochs"
        return f"place {ranked.index(member) + 1} of {len(ranked)} after {epoch} epochs"

    def _explored(self, params: Mapping[str, Value], rng: np.random.Generator) -> dict[str, Value]:
        """The parameters of a copy: those that change are drawn anew, or moved a little."""
        found = dict(params)
        for name in self._mutate:
            if name not in params:  # it does not apply to this configuration
                continue
            if rng.random() < self._resample:
                found[name] = self._cube.drawn(rng, name)
            else:
                found[name] = _moved(self._cube.distributions[name], params[name], rng)
        return found


def _moved(distribution: BaseDistribution, value: Value, rng: np.random.Generator) -> Value:
    """A value near another one: a number times a factor, a whole one by a step at least; the next one of a choice."""
    up = bool(rng.integers(2))
    if isinstance(distribution, CategoricalDistribution):
        index, n = distribution.choices.index(value), len(distribution.choices)
        beside = index + 1 if up else index - 1
        if not 0 <= beside < n:
            beside = 2 * index - beside
        choice: Value = distribution.choices[min(beside, n - 1)]  # type: ignore[assignment]
        return choice
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    number = float(value) * FACTORS[up]
    if distribution.step is not None:
        steps = round((number - distribution.low) / distribution.step)
        now = round((float(value) - distribution.low) / distribution.step)
        number = distribution.low + distribution.step * (steps if steps != now else now + (1 if up else -1))
    number = min(max(number, distribution.low), distribution.high)
    return int(number) if isinstance(distribution, IntDistribution) else number


def _root(curve: Curve) -> int:
    return curve.number if curve.start is None else curve.start.root


def _born(curve: Curve) -> int:
    return -1 if curve.start is None else curve.start.epochs


def _until(curve: Curve) -> int:
    return curve.until if curve.progress is Progress.RUNNING else 0
