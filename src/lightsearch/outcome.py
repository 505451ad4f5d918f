"""What became of a trial: an exception or an exit code becomes a state, a kind and an error."""

from __future__ import annotations

import traceback
from enum import StrEnum
from typing import Any, NamedTuple

from optuna.trial import TrialState
from pydantic import BaseModel, ConfigDict

from lightsearch.credentials import without_secrets
from lightsearch.errors import as_unavailable
from lightsearch.signals import EndAtOnce

PLAIN = {"MissingMetric", "NoNumber", "NotLoadable"}
"""Errors whose message says everything: their tracebacks lead into lightsearch, not into the user's code."""
EXIT_OF_SIGNAL = 128
"""A process ended by signal n is said to exit with 128 + n, as in a shell."""


class Kind(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    """Trained to its end: all epochs, or stopped early."""
    PRUNED = "pruned"
    """Stopped by the pruner."""
    DIVERGED = "diverged"
    """A loss or the metric became NaN or infinite."""
    OUT_OF_MEMORY = "out_of_memory"
    """The accelerator or the host had no memory left."""
    TIMEOUT = "timeout"
    """Killed at the trial's time limit."""
    CRASHED = "crashed"
    """Its process died, as often as it was started."""
    INTERRUPTED = "interrupted"
    """Stopped with the search, or by a machine that did not let it go on; the next run continues it."""
    USER_ERROR = "user_error"
    """The model, the data or the study file raised an exception."""


class Policy(NamedTuple):
    """What follows from an ending."""

    state: TrialState
    """The state that Optuna is told; WAITING: the trial is continued from its checkpoint."""
    counts: bool
    """Whether the trial counts towards ``--n-trials``."""
    stops_search: bool
    """Whether a few of them in a row stop the search: they tell of the code, not of the trial's parameters."""


POLICIES: dict[Kind, Policy] = {
    #                          state                counts stops_search
    Kind.COMPLETE: Policy(TrialState.COMPLETE, True, False),
    Kind.PRUNED: Policy(TrialState.PRUNED, True, False),
    Kind.DIVERGED: Policy(TrialState.FAIL, False, False),
    Kind.OUT_OF_MEMORY: Policy(TrialState.FAIL, False, False),
    Kind.TIMEOUT: Policy(TrialState.FAIL, False, True),
    Kind.CRASHED: Policy(TrialState.FAIL, False, True),
    Kind.INTERRUPTED: Policy(TrialState.WAITING, False, False),
    Kind.USER_ERROR: Policy(TrialState.FAIL, False, True),
}


class TrialError(BaseModel):
    """What was raised, for people and for tables."""

    model_config = ConfigDict(frozen=True)

    type: str
    """The exception's class."""
    message: str
    """Its first line, 300 characters at most."""
    traceback: str
    """Its last lines, 4,000 characters at most."""

    @property
    def told(self) -> str:
        """What a person needs to see of it."""
        return self.message if self.type in PLAIN else self.traceback

    @property
    def certain(self) -> bool:
        """Whether every other trial would end likewise: none logs what the module does not log."""
        return self.type in ("MissingMetric", "NotLoadable")


class Outcome(BaseModel):
    """A trial's end: what its ``result.json`` holds, and what the coordinator tells Optuna."""

    model_config = ConfigDict(frozen=True)

    number: int
    """The trial's number in the study."""
    kind: Kind
    attempt: int = 1
    """Which start of the trial this was, from 1."""
    value: float | None = None
    """The metric of the best epoch; what a function returned, or, pruned, reported last."""
    best_epoch: int | None = None
    """The epoch with the best metric, from 0; None for a function."""
    epochs: int = 0
    """Epochs trained, over all attempts; of a function the steps that it reported."""
    stop_reason: str = ""
    """Why training ended: ``max_epochs``, ``early_stopping``, ``pruned``, ``max_time``, or an error's type; of a
    function that ended by itself ``returned``."""
    params: dict[str, Any] = {}
    """The sampled parameters."""
    metrics: dict[str, float] = {}
    """Every metric logged in the best epoch."""
    seed: int | None = None
    """The trial's seed."""
    epoch_seeds: list[int] = []
    """Each epoch's seed, if it trained in a pack; none: it trained alone, and they come from its own."""
    seconds: float = 0.0
    """Wall time from the worker's start to its end, over all attempts."""
    checkpoint: str | None = None
    """The best epoch's checkpoint, relative to the study's folder."""
    sha256: str | None = None
    """That file's digest."""
    device: str = ""
    """What it trained on."""
    threads: int | None = None
    """CPU threads that it trained with; the last bits of a result depend on them."""
    n_val: int | None = None
    """Samples of a validation, if that can be told."""
    error: TrialError | None = None

    @property
    def policy(self) -> Policy:
        return POLICIES[self.kind]


class Diverged(Exception):
    """A loss or the metric became NaN or infinite."""


class Interrupted(BaseException):
    """The search asks the trial to stop; no ``Exception``, so that no ``except Exception`` swallows it."""


class LeftPack(Interrupted):
    """The trial cannot go on in its pack; it does by itself, from its last checkpoint."""


class FailedElsewhere(Exception):
    """What another process of the trial came to: the trial ends as that one did.

    Args:
        ending: What ``ending_of`` said there.
    """

    def __init__(self, ending: dict[str, Any]) -> None:
        super().__init__(str(ending["stop_reason"]))
        self.ending = ending


def as_raised(error: BaseException) -> BaseException:
    """The KeyboardInterrupt that Lightning has made a SystemExit of; any other exception as it is."""
    cause = error.__context__
    return cause if isinstance(error, SystemExit) and isinstance(cause, KeyboardInterrupt) else error


def ending_of(error: BaseException) -> dict[str, Any]:
    """How a trial ends by an exception, as a part of its outcome; it can be pickled, whatever the exception is."""
    if isinstance(error, FailedElsewhere):
        return error.ending
    return {"kind": kind_of(error), "stop_reason": type(error).__name__, "error": describe(error)}


def kind_of(error: BaseException) -> Kind:
    """The kind of ending that an exception makes."""
    # By name, so that the coordinator need not import torch: torch.OutOfMemoryError is raised on accelerators.
    names = {cls.__name__ for cls in type(error).__mro__}
    if isinstance(error, MemoryError) or "OutOfMemoryError" in names or "can't allocate memory" in str(error):
        return Kind.OUT_OF_MEMORY
    if isinstance(error, Diverged):
        return Kind.DIVERGED
    if isinstance(error, Interrupted | EndAtOnce) or as_unavailable(error) is not None:
        return Kind.INTERRUPTED
    return Kind.USER_ERROR


def describe(error: BaseException) -> TrialError:
    """An exception as it is kept with the trial."""
    lines = without_secrets(str(error)).strip().splitlines() or [""]
    trace = without_secrets("".join(traceback.format_exception(error)))
    return TrialError(type=type(error).__name__, message=lines[0][:300], traceback=trace[-4000:])
