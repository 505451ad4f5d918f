"""Schedulers: which trial trains its next epochs, and when a new one begins.

A scheduler sees every trial as a learning curve and makes one decision at a time. The queue of trials carries it out: a
trial that has trained as far as it was told pauses, with its checkpoint, and waits for a later decision. Samplers
propose the parameters of new trials, pruners end trials; a scheduler does neither, unless it says so in its decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from lightsearch.declare.values import Value


class Progress(Enum):
    """Where a trial is."""

    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"


@dataclass(frozen=True)
class Curve:
    """A trial as a scheduler sees it."""

    number: int
    """The trial's number in the study."""
    params: Mapping[str, Value]
    """Its parameters, by their names in the study."""
    progress: Progress
    values: Mapping[int, float] = field(default_factory=dict)
    """The metric after an epoch, by the number of epochs trained, from 1. Every value is finite."""
    until: int = 0
    """The number of epochs after which a running trial pauses; 0: unknown."""

    @property
    def epochs(self) -> int:
        """The number of epochs trained, as far as they are validated."""
        return max(self.values, default=0)


class Decision(NamedTuple):
    """What trains next."""

    number: int | None
    """A paused trial, which continues; None: a new trial begins."""
    until: int
    """The number of epochs, counted from the trial's first, after which it pauses."""
    reason: str
    """Why, in words: it is kept with the trial."""
    params: Mapping[str, Value] | None = None
    """Parameters of a new trial; None: the study's sampler proposes them."""


class Scheduler(Protocol):
    """Decides what trains next. Its decisions follow from the study's seed and the curves alone."""

    @property
    def first_pause(self) -> int:
        """The number of epochs after which a trial pauses that begins without a decision: an enqueued one."""

    def decide(self, curves: Sequence[Curve], n_new: int) -> Decision | None:
        """What trains next.

        Args:
            curves: All trials of the study, by number. Those that failed are finished, without values.
            n_new: The number of trials that may yet begin.

        Returns:
            The decision; None: nothing now. If no trial runs either, nothing is left that is worth an epoch.
        """
