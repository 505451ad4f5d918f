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
    FAILED = "failed"


class Start(NamedTuple):
    """Where a trial begins that goes on from the checkpoint of another one, its parent."""

    parent: int
    """The parent's number."""
    epochs: int
    """The epochs that the parent had trained, from its own start on or that of its first ancestor."""
    replaces: int
    """The number of the trial that ends, or has ended, and whose place the new one takes."""
    generation: int
    """1 for a child of a trial that began without a checkpoint."""
    root: int
    """The number of the first ancestor. The seed of a training is that of its root."""


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
    start: Start | None = None
    """Where it began, if that was another trial's checkpoint. Its values begin with the epoch after."""

    @property
    def epochs(self) -> int:
        """The number of epochs trained, as far as they are validated, those before its start included."""
        return max(self.values, default=0 if self.start is None else self.start.epochs)

    @property
    def due(self) -> int:
        """The number of epochs after which it pauses; if it does not run, of those trained."""
        return max(self.epochs, self.until) if self.progress is Progress.RUNNING else self.epochs


class Enqueued(NamedTuple):
    """A trial that the user has enqueued, and that has not begun."""

    number: int
    """The trial's number in the study."""
    params: Mapping[str, Value]
    """The parameters that the user has chosen; the study's sampler proposes the others."""


class Decision(NamedTuple):
    """What trains next."""

    number: int | None
    """A paused trial, which continues, or an enqueued one, which begins; None: a new trial begins."""
    until: int
    """The number of epochs, counted from the trial's first, after which it pauses."""
    reason: str
    """Why, in words: it is kept with the trial."""
    params: Mapping[str, Value] | None = None
    """Parameters of a new trial; None: the study's sampler proposes them."""
    start: Start | None = None
    """The checkpoint that a new trial begins from; None: it begins untrained."""


class Scheduler(Protocol):
    """Decides what trains next. Its decisions follow from the study's seed and the curves alone."""

    @property
    def first_pause(self) -> int:
        """The number of epochs after which a trial pauses that began before the study had a scheduler."""

    def decide(self, curves: Sequence[Curve], n_new: int, enqueued: Sequence[Enqueued] = ()) -> Decision | None:
        """What trains next.

        Args:
            curves: All trials of the study that have begun, by number.
            n_new: The number of trials that may yet begin, enqueued ones included.
            enqueued: Trials that begin before any new one does; none if ``n_new`` is 0.

        Returns:
            The decision; None: nothing now. If no trial runs either, nothing is left that is worth an epoch.
        """
