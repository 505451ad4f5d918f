"""Why each trial ended, in sentences."""

from __future__ import annotations

import bisect
from collections import defaultdict

from lightsearch.display.wording import counted
from lightsearch.outcome import EARLY_STOPPING, NOT_RESUMED, NOT_WORTH, REPLACED, STOPPED_BY_USER, Kind
from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.failure_groups import MEANINGS
from lightsearch.report.facts.row import Row
from lightsearch.study.epoch_values import curve_of
from lightsearch.study.status import Status

OF_STATUS = {
    Status.RUNNING: "It is running.",
    Status.PAUSED: "It is paused. It goes on if the scheduler chooses it again.",
    Status.INTERRUPTED: "It was interrupted with the search. The next run continues it.",
    Status.ENQUEUED: "It waits for a worker.",
}
OF_REASON = {
    "max_epochs": "It was trained to its end.",
    EARLY_STOPPING: "It ended by early stopping: it did not get better any more.",
    "pruned": "The pruner stopped it.",
    NOT_RESUMED: "It was paused, and the scheduler did not choose it again until the search ended.",
    "infeasible": "It violates a constraint of the study.",
    STOPPED_BY_USER: "The user stopped it.",
    "returned": "The function returned a value.",
    "stopped": "A limit of the Trainer ended it.",
}


class Standings:
    """Where trials stood among the others after as many epochs.

    Args:
        facts: What is known of the study.
    """

    def __init__(self, facts: Facts) -> None:
        self._sign = 1.0 if facts.maximize else -1.0
        self._losses: defaultdict[int, list[float]] = defaultdict(list)
        for row in facts.rows:
            for epochs, best in self._best_so_far(row).items():
                self._losses[epochs].append(-self._sign * best)
        for losses in self._losses.values():
            losses.sort()

    def of(self, row: Row) -> tuple[int, float, int, int] | None:
        """The epochs of a trial, its best value in them, its rank by that, and the trials that got so far."""
        known = self._best_so_far(row)
        if not known:
            return None
        epochs, best = list(known.items())[-1]
        losses = self._losses[epochs]
        return epochs, best, 1 + bisect.bisect_left(losses, -self._sign * best), len(losses)

    def _best_so_far(self, row: Row) -> dict[int, float]:
        """The best value after each number of epochs."""
        better = max if self._sign > 0 else min
        found: dict[int, float] = {}
        best: float | None = None
        for epoch, value in curve_of(row.trial).items():
            if value == value:
                best = value if best is None else better(best, value)
                found[epoch + 1] = best
        return found


def why_ended(facts: Facts, row: Row, standings: Standings) -> list[str]:
    """Why a trial ended, or where it is, and how good it was then."""
    standing = standings.of(row)
    if standing is None:
        return [ending(row)]
    epochs, best, rank, n = standing
    stood = f"Its best {facts.metric} in {counted(epochs, 'epoch')} was {facts.show(best)}"
    return [ending(row), f"{stood}: number {rank} of the {n} trials that got so far." if n > 1 else f"{stood}."]


def ending(row: Row) -> str:
    """Why a trial ended, or where it is, in a sentence."""
    outcome = row.outcome
    if row.group in OF_STATUS:
        return OF_STATUS[Status(row.group)]
    if outcome is None:
        return "Another program ran it." if row.foreign else f"It ended as {row.group}."
    if row.group == Status.FAILED:
        meaning = MEANINGS.get(Kind(outcome.kind), "")
        said = f": {outcome.error.type}: {outcome.error.message}" if outcome.error is not None else "."
        return f"It failed ({outcome.kind}; {meaning}){said}" if meaning else f"It failed{said}"
    reason = outcome.stop_reason
    if reason.startswith(NOT_WORTH):
        return f"Its configuration was {reason}: the first runs were worse than the best by more than luck."
    if reason.startswith(REPLACED):
        return f"It was {reason}."
    return OF_REASON.get(reason, f"{reason} ended it." if reason else f"It ended as {row.group}.")
