"""``prepare_data``, which downloads and writes files, runs in one process of a machine at a time."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lightsearch.compat.lightning_package import NAMES
from lightsearch.errors import ResourceUnavailable


def one_at_a_time(built: Any) -> Any:
    """Makes ``prepare_data`` wait while another process of this machine runs that of the same class.

    Lightning calls it in every trial, as in every training. The second process finds the files of the first. Attributes
    that it sets on the object (Lightning advises against it) are set in every trial.

    Args:
        built: A data module, or any object that has its hooks. An object without its own ``prepare_data`` is not
            changed.

    Returns:
        The same object.
    """
    hook = getattr(built, "prepare_data", None)
    if callable(hook) and not hook.__module__.startswith(NAMES):
        built.prepare_data = functools.partial(_locked, type(built), hook)
    return built


def _locked(cls: type, hook: Callable[[], None]) -> None:
    lock = _machine_lock(cls)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another process prepares the data of {cls.__qualname__}; waiting for it", flush=True)
        lock.acquire()
    try:
        hook()
    finally:
        lock.release()


def _machine_lock(cls: type) -> FileLock:
    """The lock of a class. The operating system releases it when its holder dies."""
    name = hashlib.sha256(f"{cls.__module__}.{cls.__qualname__}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"lightsearch-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ResourceUnavailable(f"{folder} cannot be made: {error.strerror or error}") from error
    return FileLock(folder / f"prepare-{name}.lock")
