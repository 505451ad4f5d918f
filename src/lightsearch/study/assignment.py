"""What the queue of trials answers: a trial to run, or the reason why there is none."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from lightsearch.study.schedulers import Start


class NoTrialReason(Enum):
    """Why there is no trial to run."""

    LATER = "the running trials may be enough; if one fails, another one is needed"
    NONE = "the study has its total of finished trials"
    SETTLED = "the scheduler expects nothing more from the trials that wait"
    EXHAUSTED = "the sampler has visited every point of the space"


class TrialAssignment(NamedTuple):
    """A trial to run. This process owns it from now on."""

    number: int
    """The trial's number in the study."""
    trial_id: int
    """The trial's id in the storage."""
    attempt: int
    """Which start of the trial this is, from 1."""
    params: dict[str, Any]
    """Its sampled parameters."""
    until: int | None = None
    """The number of epochs after which it pauses; None: it trains to its end."""
    spent: float = 0.0
    """Seconds that it trained before its last pause."""
    start: Start | None = None
    """Where it begins, if that is another trial's checkpoint."""
