"""The boundary of a trial: the one place that sees every exception of it, and records how the trial ended."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightsearch.credentials import without_secrets
from lightsearch.outcome import Forgotten, Interrupted, Outcome, as_raised, ending_of
from lightsearch.signals import EndAtOnce
from lightsearch.training.worker_lock import WorkerLock, sole_worker

EndingFields = dict[str, Any]
"""How a trial ended: a part of its outcome, such as its kind and the reason why it stopped."""


def run_recorded(
    folder: Path, work: Callable[[WorkerLock], EndingFields], record: Callable[[EndingFields], Outcome]
) -> Outcome:
    """Does a trial's work as the only worker in its folder, and records how it ended, whatever happened.

    Args:
        folder: The trial's folder.
        work: Trains, and returns how that ended. It gets the lock of the folder.
        record: Writes the outcome of an ending.

    Returns:
        The outcome: an exception becomes a kind. Only a request to stop is raised again, after it is recorded.

    Raises:
        Forgotten: if the trial has paused in memory, which is recorded, and is not to continue there.
    """
    with sole_worker(folder) as lock:
        ending: EndingFields | None = None
        try:
            ending = work(lock)
        except Forgotten:
            raise
        except BaseException as error:
            error = as_raised(error)
            ending = ending_of(error)
            if isinstance(error, Interrupted | EndAtOnce):
                raise error
            _log(error, folder)
        finally:
            if ending is not None:
                outcome = record(ending)
    return outcome


def _log(error: BaseException, folder: Path) -> None:
    """Appends the whole traceback to ``log.txt``. The outcome has its last lines, a screen the user's own frames."""
    with contextlib.suppress(OSError), (folder / "log.txt").open("a", encoding="utf-8") as file:
        file.write(without_secrets("".join(traceback.format_exception(error))))
