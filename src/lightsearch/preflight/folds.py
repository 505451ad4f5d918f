"""The data of a study with folds: its class has to take them, and each fold has a split of its own."""

from __future__ import annotations

import inspect
from typing import Any

from lightsearch.declare.repeats import FOLD_ARGUMENTS
from lightsearch.errors import Mistake


def folds_of(declared: dict[str, Any]) -> int | None:
    """The number of folds; None: the study has none, or an invalid number, which the validation reports."""
    section = declared.get("validation")
    folds = section.get("folds") if isinstance(section, dict) else None
    return folds if type(folds) is int and folds >= 2 else None


def check_takes_folds(cls: type, folds: int, given: set[str]) -> list[Mistake]:
    """The mistakes of a study with folds whose data cannot make them.

    Args:
        cls: The class of the data.
        folds: The number of folds.
        given: The names of its declared and sampled arguments.
    """
    from lightsearch.data import ImageData

    parameters = inspect.signature(cls).parameters
    if missing := [name for name in FOLD_ARGUMENTS if name not in parameters]:
        hint = (
            f"{cls.__name__} takes no {' and no '.join(missing)}, from which it would make the splits; give its "
            f"constructor both (fold counts from 0), or write seeds = {folds}"
        )
        return [Mistake("validation.folds", folds, hint)]
    if issubclass(cls, ImageData) and "val_size" in given:
        hint = "ImageData makes folds of equal size; leave val_size out"
        return [Mistake("validation.folds", folds, hint)]
    return []


def describe_folds(first: dict[str, Any], cls: type, given: dict[str, Any], folds: int) -> dict[str, Any]:
    """The description of data with folds: that of the first fold, and the digests of all splits (``fold_hashes``).

    Args:
        first: The description of the first fold, with or without a ``split_hash``.
        cls: The class of the data.
        given: Its arguments for the first fold.
        folds: The number of folds.
    """
    from lightsearch.declare.nested import with_objects

    if "split_hash" not in first:
        return first
    others = [cls(**with_objects(cls, {**given, "fold": fold}, "data")) for fold in range(1, folds)]
    return {**first, "fold_hashes": [first["split_hash"], *(one.describe()["split_hash"] for one in others)]}
