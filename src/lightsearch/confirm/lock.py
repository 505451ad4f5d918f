"""The lock of a retraining: one process retrains a study at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from lightsearch.atomic_files import make_folder, write_text
from lightsearch.errors import Mistake, ResourceUnavailable, UserError
from lightsearch.machine.owner import Owner, this_process


@contextlib.contextmanager
def retraining_lock(study_folder: Path) -> Iterator[None]:
    """Holds the lock of a study: two processes would train the same runs, and use the test set twice.

    The lock is the operating system's, so it is free as soon as the process that holds it has ended in any way.

    Args:
        study_folder: ``studies/<name>``.

    Raises:
        UserError: if another process retrains the study.
        ResourceUnavailable: if the folder cannot be written to.
    """
    lock, holder_file = FileLock(study_folder / ".retrain.lock"), study_folder / ".retrain.json"
    make_folder(study_folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        hint = f"{_holder(holder_file)} retrains it; wait until that has ended, or end it"
        raise UserError(Mistake("--study", study_folder.name, hint)) from None
    except OSError as error:
        raise ResourceUnavailable(f"{study_folder} cannot be written to: {error.strerror or error}") from error
    try:
        write_text(holder_file, this_process().model_dump_json())
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may have become read-only; only the lock matters
            holder_file.unlink()
        lock.release()


def _holder(file: Path) -> str:
    try:
        holder = Owner.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return "another process"  # it has not written the file yet
    return f"process {holder.pid} on {holder.host}"
