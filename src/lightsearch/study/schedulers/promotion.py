"""Successive halving by promotion: trials pause at rungs, and the best of a rung go on to the next.

The rules are those of Li et al., *A system for massively parallel hyperparameter tuning* (ASHA, 2020), and of Li et
al., *Hyperband* (2018). A trial that is not promoted waits. It is not stopped, and goes on if it comes to be among the
best.
"""

from __future__ import annotations

from collections.abc import Sequence

from lightsearch.study.schedulers import Curve, Decision, Enqueued, Progress


class Asha:
    """Promotes the best ``1 / reduction_factor`` of each rung, and begins a new trial where none can be promoted.

    Args:
        max_epochs: Epochs of a whole training: the last rung.
        direction: ``maximize`` or ``minimize``.
        min_epochs: The first rung.
        reduction_factor: The ratio of neighbouring rungs.
    """

    def __init__(self, max_epochs: int, direction: str, *, min_epochs: int = 1, reduction_factor: int = 3) -> None:
        self.rungs = rungs(min_epochs, max_epochs, reduction_factor)
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._factor = reduction_factor

    @property
    def first_pause(self) -> int:
        return self.rungs[0]

    def decide(self, curves: Sequence[Curve], n_new: int, enqueued: Sequence[Enqueued] = ()) -> Decision | None:
        # Once no trial can begin and none runs, each rung promotes one at least: else the last ones stay empty.
        least = 0 if n_new or any(one.progress is Progress.RUNNING for one in curves) else 1
        return self.promote(curves, least) or (self.begin(enqueued) if n_new else None)

    def begin(self, enqueued: Sequence[Enqueued] = ()) -> Decision:
        """The first enqueued trial, or a new one."""
        number, word = (enqueued[0].number, "enqueued") if enqueued else (None, "new")
        return Decision(number, self.rungs[0], f"{word}: it trains to the first rung of {self.rungs}")

    def promote(self, curves: Sequence[Curve], least: int = 0) -> Decision | None:
        """The best paused trial of the highest rung that has one to promote; None: no rung has.

        Args:
            curves: The trials.
            least: The number of trials that each rung may promote in any case.
        """
        for rung, following in reversed(list(zip(self.rungs, self.rungs[1:], strict=False))):
            reached = [one for one in curves if _has_reached(one, rung)]
            reached.sort(key=lambda one: (-best(one, rung, self._sign), one.number))
            for place, one in enumerate(reached[: max(least, len(reached) // self._factor)], start=1):
                if one.progress is Progress.PAUSED and one.epochs < following:
                    return Decision(one.number, following, f"promoted: place {place} of {len(reached)} at epoch {rung}")
        return None


class Hyperband:
    """Several brackets of ``Asha`` with different first rungs, each with about the same number of epochs.

    Args:
        max_epochs: Epochs of a whole training.
        direction: ``maximize`` or ``minimize``.
        min_epochs: The first rung of the first bracket.
        reduction_factor: The ratio of neighbouring rungs.
    """

    def __init__(self, max_epochs: int, direction: str, *, min_epochs: int = 1, reduction_factor: int = 3) -> None:
        every = rungs(min_epochs, max_epochs, reduction_factor)
        self.brackets = [
            Asha(max_epochs, direction, min_epochs=first, reduction_factor=reduction_factor) for first in every
        ]
        # A bracket with n rungs has reduction_factor ** (n - 1) trials for each that reaches the end, and they cost
        # about n whole trainings.
        self._shares = [reduction_factor ** (len(one.rungs) - 1) / len(one.rungs) for one in self.brackets]

    @property
    def first_pause(self) -> int:
        return self.brackets[0].first_pause

    def decide(self, curves: Sequence[Curve], n_new: int, enqueued: Sequence[Enqueued] = ()) -> Decision | None:
        members: list[list[Curve]] = [[] for _ in self.brackets]
        for bracket, one in zip(self._brackets_of(len(curves)), curves, strict=True):
            members[bracket].append(one)
        busy = n_new or any(one.progress is Progress.RUNNING for one in curves)
        for asha, those in zip(self.brackets, members, strict=True):
            if (decision := asha.promote(those, 0 if busy else 1)) is not None:
                return decision
        return self.brackets[self._brackets_of(len(curves) + 1)[-1]].begin(enqueued) if n_new else None

    def _brackets_of(self, n: int) -> list[int]:
        """The brackets of the first trials: each trial goes where the share is missing most."""
        counts, chosen = [0] * len(self.brackets), []
        for _ in range(n):
            least = min(range(len(counts)), key=lambda one: ((counts[one] + 1) / self._shares[one], one))
            counts[least] += 1
            chosen.append(least)
        return chosen


def rungs(min_epochs: int, max_epochs: int, reduction_factor: int) -> list[int]:
    """Numbers of epochs in geometric progression, of which ``max_epochs`` is the last."""
    found = []
    epochs = min_epochs
    while epochs < max_epochs:
        found.append(epochs)
        epochs *= reduction_factor
    return [*found, max_epochs]


def best(curve: Curve, epochs: int, sign: float) -> float:
    """The best value of a curve's first epochs, times ``sign``; if none of them was validated, the first value.

    The curve has at least one value.
    """
    known = max(epochs, min(curve.values))
    return max(sign * value for epoch, value in curve.values.items() if epoch <= known)


def _has_reached(curve: Curve, rung: int) -> bool:
    """Whether a trial takes part in a rung. One that early stopping has ended before does: its best value stands."""
    if curve.progress is Progress.FINISHED:
        return bool(curve.values)
    return curve.epochs >= rung and curve.progress is not Progress.FAILED
