"""What a checkpoint may hold: types that can be loaded again without running anything that a file brings along."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import fractions
import pathlib
import pickle
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch

from lightsearch.compat.numpy_internals import PICKLE_FUNCTIONS

HYPER_PARAMETERS = ("hyper_parameters", "datamodule_hyper_parameters")
"""Where Lightning keeps the arguments that ``save_hyperparameters()`` notes."""

LEFT_OUT = "hyper_parameters_left_out"
"""Names of the noted arguments that a checkpoint does not hold."""

_CODE = (
    bytes,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
    decimal.Decimal,
    fractions.Fraction,
    frozenset,
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    range,
    slice,
    uuid.UUID,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(code)) for code in np.typecodes["All"]},
)
"""What constructs nothing but values, besides what torch allows by itself."""

HARMLESS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *_CODE,
    *PICKLE_FUNCTIONS,
    *(
        (function, f"numpy.core.multiarray.{function.__name__}") for function in PICKLE_FUNCTIONS
    ),  # as numpy 1 wrote them
]

HINT = "keep numbers, strings, tensors, lists and dictionaries in the states of the module, its callbacks and its data"


class NotLoadable(Exception):
    """A checkpoint holds a type that cannot be loaded safely: nothing could go on from it, and nothing test it."""


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Meanwhile ``torch.load(..., weights_only=True)`` takes what is harmless."""
    with torch.serialization.safe_globals(HARMLESS):
        yield


def load(file: Path) -> dict[str, Any]:
    """A checkpoint's content, on the CPU. Nothing in the file is executed.

    Raises:
        NotLoadable: if it holds a type that is not known to be harmless.
    """
    check(file)
    try:
        with allowed():
            content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch explains at length how to load it unsafely; its own reason stands in the middle.
        reason = str(error).partition("WeightsUnpickler error:")[2].strip().partition("\n")[0] or str(error)
        raise NotLoadable(f"a checkpoint cannot be loaded safely: {reason}; {HINT}") from error
    return content


def check(file: Path) -> None:
    """Refuses a checkpoint that cannot be loaded safely, without loading it.

    Raises:
        NotLoadable: with the types.
    """
    with allowed():
        refused = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    if refused:
        raise NotLoadable(f"a checkpoint holds {', '.join(sorted(refused))}, which cannot be loaded safely; {HINT}")


def without_objects(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint, with plain values alone among the noted arguments: what is no value is left out and named.

    numpy's scalars become Python's, and paths strings. Whoever rebuilds a trial's model has its arguments from the
    study; those in the checkpoint are for ``load_from_checkpoint``.
    """
    changed: dict[str, Any] = {}
    left_out = []
    for key in HYPER_PARAMETERS:
        noted = checkpoint.get(key)
        if not isinstance(noted, Mapping):
            continue
        kept = {}
        for name, value in noted.items():
            try:
                kept[name] = _plain(value)
            except TypeError:
                left_out.append(str(name))
        changed[key] = kept
    if left_out:
        changed[LEFT_OUT] = left_out
    return {**checkpoint, **changed}


def _plain(value: Any) -> Any:
    """A value in types that every ``torch.load`` takes.

    Raises:
        TypeError: if it has none.
    """
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        return value
    if isinstance(value, torch.Tensor | torch.Size | torch.dtype | torch.device):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, PurePath):
        return str(value)
    for base in (int, float, str):  # an enumeration of them, say: equal to what it is of
        if isinstance(value, base):
            return base.__str__(value) if base is str else base(value)
    if type(value) in (list, tuple, set):
        return type(value)(_plain(one) for one in value)
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    raise TypeError
