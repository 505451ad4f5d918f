"""The simulated clock: workers train epochs, and a result is known only when its time has come."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from lightsearch.declare.values import Value
from tests.benchmarks.search_efficiency.problem import Objective, Trajectory


class Assignment(NamedTuple):
    """A trial that trains next, on a worker that is free."""

    number: int
    params: Mapping[str, Value]
    """Used when the trial begins; a trial that continues keeps its own."""


class Search(Protocol):
    """A search method, whatever drives it."""

    def ask(self) -> Assignment | None:
        """What a free worker trains, from the next epoch of that trial on; None: nothing before more is known."""

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Tells the value of a trial after an epoch, counted from 1.

        Returns:
            Whether it trains another one at once. Otherwise its worker is free; its last epoch ends it anyway.
        """


def simulate(
    search: Search, objective: Objective, *, workers: int, max_epochs: int, budget: int, timed: bool = False
) -> list[float]:
    """Runs a search until its trials have trained ``budget`` epochs together, or nothing is left to train.

    A trial that continues does so from its last epoch, as from a checkpoint.

    Args:
        search: The search method.
        objective: Trains a configuration.
        workers: The number of trials that train at the same time.
        max_epochs: Epochs of a trial at most.
        budget: Epochs of all trials.
        timed: Whether an epoch takes its own time; otherwise every epoch takes the same.

    Returns:
        The value of every epoch, in the order in which they became known; at most ``budget``.
    """
    known: list[float] = []
    trainings: dict[int, Trajectory] = {}
    trained: dict[int, int] = {}
    order = itertools.count()
    running: list[tuple[float, int, int]] = []
    now, free = 0.0, workers

    def train(number: int) -> None:
        """Begins a trial's next epoch."""
        duration = float(trainings[number].seconds[trained[number]]) if timed else 1.0
        heapq.heappush(running, (now + duration, next(order), number))

    while len(known) < budget:
        while free and (assigned := search.ask()) is not None:
            if assigned.number not in trainings:
                trainings[assigned.number], trained[assigned.number] = objective(assigned.params), 0
            train(assigned.number)
            free -= 1
        if not running:
            break  # and never will
        now = running[0][0]
        due = [heapq.heappop(running)[2] for _ in range(sum(when == now for when, *_ in running))]
        for number in due:  # all that is known now is known before the next decision
            trained[number] += 1
            value = float(trainings[number].values[trained[number] - 1])
            known.append(value)
            if search.report(number, trained[number], value) and trained[number] < max_epochs:
                train(number)
            else:
                free += 1
    return known[:budget]
