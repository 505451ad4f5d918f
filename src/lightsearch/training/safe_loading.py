"""Which types a checkpoint may hold: those that can be loaded without executing code from the file."""

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
"""Keys under which Lightning stores the arguments that ``save_hyperparameters()`` saves."""

LEFT_OUT = "hyper_parameters_left_out"
"""Key of the names of saved arguments that a checkpoint does not hold."""

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
"""Types whose construction has no side effects, in addition to those that torch allows."""

HARMLESS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *_CODE,
    *PICKLE_FUNCTIONS,
    *(
        (function, f"numpy.core.multiarray.{function.__name__}") for function in PICKLE_FUNCTIONS
    ),  # as numpy 1 wrote them
]

HINT = "keep numbers, strings, tensors, lists and dictionaries in the states of the module, its callbacks and its data"


class NotLoadable(Exception):
    """A checkpoint holds a type that cannot be loaded safely, so that no trial could resume from it."""


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Makes ``torch.load(..., weights_only=True)`` accept the types of ``HARMLESS``."""
    with torch.serialization.safe_globals(HARMLESS):
        yield


def load(file: Path) -> dict[str, Any]:
    """Loads a checkpoint to the CPU. Nothing in the file is executed.

    Raises:
        NotLoadable: if it holds a type that is not known to be harmless.
    """
    check(file)
    try:
        with allowed():
            content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's message explains how to load the file unsafely; the reason is in the middle of it.
        reason = str(error).partition("WeightsUnpickler error:")[2].strip().partition("\n")[0] or str(error)
        raise NotLoadable(f"a checkpoint cannot be loaded safely: {reason}; {HINT}") from error
    return content


def check(file: Path) -> None:
    """Checks that a checkpoint can be loaded safely, without loading it.

    Raises:
        NotLoadable: with the names of the types that cannot.
    """
    with allowed():
        refused = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    if refused:
        raise NotLoadable(f"a checkpoint holds {', '.join(sorted(refused))}, which cannot be loaded safely; {HINT}")


def without_objects(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """A copy of the checkpoint whose saved arguments are plain values; the names of all others are listed in it.

    numpy scalars become Python numbers, and paths become strings. ``rebuild`` takes a model's arguments from the study;
    those in the checkpoint are for ``load_from_checkpoint``.
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
    """A value, converted to types that every ``torch.load`` accepts.

    Raises:
        TypeError: if it cannot be converted.
    """
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        return value
    if isinstance(value, torch.Tensor | torch.Size | torch.dtype | torch.device):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, PurePath):
        return str(value)
    for base in (int, float, str):  # such as the members of an enumeration of them
        if isinstance(value, base):
            return base.__str__(value) if base is str else base(value)
    if type(value) in (list, tuple, set):
        return type(value)(_plain(one) for one in value)
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    raise TypeError
