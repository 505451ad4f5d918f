"""The boundary of a trial: the one place that sees every exception of it, and records how the trial ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightsearch.outcome import Interrupted, Outcome, as_raised, ending_of
from lightsearch.signals import EndAtOnce
from lightsearch.training.worker_lock import sole_worker

EndingFields = dict[str, Any]
"""How a trial ended: a part of its outcome, such as its kind and the reason why it stopped."""


def run_recorded(folder: Path, work: Callable[[], EndingFields], record: Callable[[EndingFields], Outcome]) -> Outcome:
    """Does a trial's work as the only worker in its folder, and records how it ended, whatever happened.

    Args:
        folder: The trial's folder.
        work: Trains, and returns how that ended.
        record: Writes the outcome of an ending.

    Returns:
        The outcome: an exception becomes a kind. Only a request to stop is raised again, after it is recorded.
    """
    with sole_worker(folder):
        try:
            ending = work()
        except BaseException as error:
            error = as_raised(error)
            ending = ending_of(error)
            if isinstance(error, Interrupted | EndAtOnce):
                raise error
        finally:
            outcome = record(ending)
    return outcome
