"""The outcome of a trial: an exception or an exit code becomes a state, a kind and an error."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from optuna.trial import TrialState
from pydantic import BaseModel, ConfigDict

from lightsearch.credentials import without_secrets
from lightsearch.errors import as_unavailable, first_line
from lightsearch.signals import EndAtOnce

PLAIN = {"MissingMetric", "NoNumber", "NoParent", "NotLoadable"}
"""Errors whose message says everything. Their tracebacks lead into lightsearch, not into the user's code."""
EXIT_OF_SIGNAL = 128
"""A process that signal n ends has the exit status 128 + n, as in a shell."""


class Kind(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    """Trained to its end: for all epochs, or until early stopping."""
    PRUNED = "pruned"
    """Stopped by the pruner or by the user, or infeasible: a constraint is violated."""
    DIVERGED = "diverged"
    """A loss or the metric became NaN or infinite."""
    OUT_OF_MEMORY = "out_of_memory"
    """The accelerator or the host had no memory left."""
    TIMEOUT = "timeout"
    """Killed at its time limit."""
    CRASHED = "crashed"
    """Its process died, and so did every restart of it."""
    PAUSED = "paused"
    """Trained as far as the scheduler wanted. It continues from its checkpoint if the scheduler chooses it again."""
    INTERRUPTED = "interrupted"
    """Stopped with the search, or because a resource of the machine was unavailable. The next run continues it."""
    WITHDRAWN = "withdrawn"
    """Ended by the user (``lightsearch stop --trial``) before it had a value."""
    USER_ERROR = "user_error"
    """The model, the data or the study file raised an exception."""


class Policy(NamedTuple):
    """What follows from an ending."""

    state: TrialState
    """The state that is recorded in Optuna. A WAITING trial is continued from its checkpoint."""
    counts: bool
    """Whether the trial counts towards ``--n-trials``."""
    stops_search: bool
    """Whether a few of them in a row stop the search: the code is the cause, not the trial's parameters."""


POLICIES: dict[Kind, Policy] = {
    #                          state                counts stops_search
    Kind.COMPLETE: Policy(TrialState.COMPLETE, True, False),
    Kind.PRUNED: Policy(TrialState.PRUNED, True, False),
    Kind.DIVERGED: Policy(TrialState.FAIL, False, False),
    Kind.OUT_OF_MEMORY: Policy(TrialState.FAIL, False, False),
    Kind.TIMEOUT: Policy(TrialState.FAIL, False, True),
    Kind.CRASHED: Policy(TrialState.FAIL, False, True),
    Kind.PAUSED: Policy(TrialState.WAITING, False, False),
    Kind.INTERRUPTED: Policy(TrialState.WAITING, False, False),
    Kind.WITHDRAWN: Policy(TrialState.FAIL, False, False),
    Kind.USER_ERROR: Policy(TrialState.FAIL, False, True),
}


class TrialError(BaseModel):
    """An exception as it is kept with the trial, for people and for tables."""

    model_config = ConfigDict(frozen=True)

    type: str
    """Name of the exception's class."""
    message: str
    """First line of its message, 300 characters at most."""
    traceback: str
    """Last lines of its traceback, 4,000 characters at most."""

    @property
    def hits_every_trial(self) -> bool:
        """Whether every other trial fails in the same way, as where the module does not log the metric."""
        return self.type in ("MissingMetric", "NotLoadable")


class Outcome(BaseModel):
    """How a trial ended: the content of its ``result.json``, and what the coordinator records in Optuna."""

    model_config = ConfigDict(frozen=True)

    number: int
    """The trial's number in the study."""
    kind: Kind
    attempt: int = 1
    """Number of this start of the trial, from 1."""
    value: float | None = None
    """The metric of the best epoch; with ``[validation]``, the mean over the runs. For a function: the returned value,
    or the last reported value if pruned."""
    run_values: list[float] = []
    """With ``[validation]``: the metric of the best epoch of each run, in their order. Empty without."""
    std: float | None = None
    """Their standard deviation; None for fewer than two."""
    best_epoch: int | None = None
    """The epoch with the best metric, from 0. None for a function."""
    epochs: int = 0
    """Epochs trained, over all attempts and runs. For a function: the number of steps that it reported."""
    further_epochs: int = 0
    """Those of them that runs after the first have trained."""
    first_epoch: int = 0
    """Its first epoch, from 0. Above 0, it began from the checkpoint of another trial."""
    stop_reason: str = ""
    """Why the trial ended: ``max_epochs``, ``early_stopping``, the user's callback or module that ended it
    (``EarlyStopping(val_loss)``, ``Timer``, ``MyNet``), ``stopped`` (by another limit of the Trainer), ``pruned``,
    ``paused``, ``not_resumed`` (the search ended while it was paused), ``replaced by a copy of trial 7`` (by
    population based training), ``not worth another seed`` or ``not worth another fold`` (see ``[validation]``),
    ``infeasible``, ``stopped_by_user``,
    ``returned`` (a function returned a value), the type of the exception that it raised, or the kind of the failure if
    its process ended without an outcome."""
    params: dict[str, Any] = {}
    """The sampled parameters."""
    metrics: dict[str, float] = {}
    """All metrics logged in the best epoch."""
    seed: int | None = None
    """The trial's seed."""
    epoch_seeds: list[int] = []
    """Seed of each epoch, if the trial trained in a pack. Empty: they come from the trial's own seed."""
    seconds: float = 0.0
    """Wall time in seconds from the worker's start to its end, over all attempts."""
    cpu_seconds: float | None = None
    """Processor time of its process and of that one's children, over all attempts; None: it trained in a pack."""
    memory_mb: float | None = None
    """The most memory that its process ever had in RAM, in MB; in a pack, that of all members, and without worker
    processes (``--workers 0``) that of earlier trials as well. None: not measured."""
    gpu_memory_mb: float | None = None
    """The most memory of the GPU that PyTorch had allocated in its process, in MB; None: there was no GPU."""
    checkpoint: str | None = None
    """Path of the best epoch's checkpoint, relative to the study's folder."""
    sha256: str | None = None
    """The sha256 digest of that file."""
    device: str = ""
    """Name of the device that it trained on."""
    threads: int | None = None
    """CPU threads that it trained with. The last bits of a result depend on them."""
    n_val: int | None = None
    """Validation samples, if they can be counted."""
    error: TrialError | None = None
    """Why it failed."""

    @property
    def curve_epochs(self) -> int:
        """Epochs of its first run, which it reported."""
        return self.epochs - self.further_epochs

    @property
    def policy(self) -> Policy:
        """What follows from its kind."""
        return POLICIES[self.kind]

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        """What a person wants to see of it; ``model_dump()`` has everything."""
        return [("number", self.number), ("kind", str(self.kind)), ("value", self.value), ("params", self.params)]

    def __str__(self) -> str:
        return repr(self)


EARLY_STOPPING = "early_stopping"
"""The ``stop_reason`` of a trial that did not get better any more."""

NOT_RESUMED = "not_resumed"
"""The ``stop_reason`` of a trial that was paused, and that the scheduler did not choose again until the end."""

NOT_WORTH = "not worth another "
"""The beginning of the ``stop_reason`` of a trial that lost the race for further runs; ``seed`` or ``fold`` follows."""

REPLACED = "replaced by a copy of trial "
"""The beginning of the ``stop_reason`` of a trial whose place in a population another one took."""

STOPPED_BY_USER = "stopped_by_user"
"""The ``stop_reason`` of a trial that ``lightsearch stop --trial`` ended."""


class Diverged(Exception):
    """A loss or the metric became NaN or infinite."""


class Interrupted(BaseException):
    """The search asks the trial to stop. Not an ``Exception``, so that ``except Exception`` does not catch it."""


class LeftPack(Interrupted):
    """The trial cannot continue in its pack. It continues in its own process, from its last checkpoint."""


class Forgotten(BaseException):
    """A trial that has paused in memory is not to continue there. It writes nothing more: its pause is recorded."""


class FailedElsewhere(Exception):
    """Another process of the same trial failed: the trial ends as that process did.

    Args:
        ending: What ``ending_of`` returned there.
    """

    def __init__(self, ending: dict[str, Any]) -> None:
        super().__init__(str(ending["stop_reason"]))
        self.ending = ending


def as_raised(error: BaseException) -> BaseException:
    """The KeyboardInterrupt that Lightning turned into a SystemExit. Any other exception is returned unchanged."""
    cause = error.__context__
    return cause if isinstance(error, SystemExit) and isinstance(cause, KeyboardInterrupt) else error


def ending_of(error: BaseException) -> dict[str, Any]:
    """The fields of an outcome that an exception determines. They can be pickled even if the exception cannot."""
    if isinstance(error, FailedElsewhere):
        return error.ending
    return {"kind": kind_of(error), "stop_reason": type(error).__name__, "error": describe(error)}


def kind_of(error: BaseException) -> Kind:
    """The kind of outcome that an exception leads to."""
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
    """The exception as it is kept with the trial, without passwords."""
    message = first_line(without_secrets(str(error)), empty="")
    trace = without_secrets("".join(traceback.format_exception(error)))
    return TrialError(type=type(error).__name__, message=message[:300], traceback=trace[-4000:])
