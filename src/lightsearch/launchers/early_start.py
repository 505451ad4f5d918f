"""Starts the fork server before anything slow is imported: its imports are the longest part of a search's start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightsearch.compat.optuna_rows import finished_and_reported
from lightsearch.declare.reading import modules_of
from lightsearch.launchers.fork_server import ForkServer

SQLITE = "sqlite:///"


def start_early(declared: dict[str, Any], url: str, n_trials: int, epochs: int | None, workers: int | None) -> None:
    """Starts the fork server of a search, unless the search will have nothing to train, as far as that is plain.

    The next ``ForkServer`` of this process is the same server. A search from Python has imported Optuna already, and
    starts the server once its request is checked.

    Args:
        declared: The content of the study file, not yet validated.
        url: The storage.
        n_trials: The study's total of finished trials.
        epochs: The study's total of epochs; None: no limit.
        workers: Worker processes at a time; 0: there is no server.
    """
    if workers != 0 and not may_be_finished(url, str(declared.get("name")), n_trials, epochs):
        ForkServer(modules_of(declared))


def may_be_finished(url: str, name: str, n_trials: int, epochs: int | None) -> bool:
    """Whether a study may have its total. Only a SQLite file is looked at: it answers in milliseconds.

    Args:
        url: The storage.
        name: The study's name.
        n_trials: The study's total of finished trials.
        epochs: The study's total of epochs; None: no limit.
    """
    if not url.startswith(SQLITE):
        return False
    finished, reported = finished_and_reported(Path(url.removeprefix(SQLITE)), name)
    return finished >= n_trials or (epochs is not None and reported >= epochs)
