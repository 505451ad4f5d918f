"""A trial that times what safety costs. It has its own file: a worker process finds functions by their import path."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lightsearch.paths import LAST
from lightsearch.training import boundary, trial
from lightsearch.training.checkpoint_io import SafeCheckpoints
from lightsearch.training.worker_lock import AttemptGuard

spent = 0.0


def timed(function: Callable[..., Any], counts: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
    """Wraps a function so that its time is added to ``spent``; a timed call inside another one is not counted twice."""

    def call(*args: Any, **options: Any) -> Any:
        global spent
        before, began = spent, time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            if counts(*args):
                spent = before + time.perf_counter() - began

    return call


def trial_with_timed_safety(**arguments: Any) -> None:
    """Runs ``run_trial``, and writes the seconds that safety took to ``safety.txt``.

    These are: writing the last checkpoint (the best one is the purpose of a search), every wait for the disk, the lock,
    and the question whether the trial is still this worker's.
    """
    whole = boundary.sole_worker

    @contextlib.contextmanager
    def lock(folder: Path) -> Iterator[None]:
        context = whole(folder)
        timed(context.__enter__)()
        try:
            yield
        finally:
            timed(context.__exit__)(None, None, None)

    os.fsync = timed(os.fsync)
    save = SafeCheckpoints.save_checkpoint
    SafeCheckpoints.save_checkpoint = timed(save, lambda _, __, path, *___: Path(path).name == LAST)  # type: ignore[method-assign]
    AttemptGuard.on_validation_end = timed(AttemptGuard.on_validation_end)  # type: ignore[method-assign]
    boundary.sole_worker = lock
    trial.run_trial(**arguments)
    (arguments["folder"] / "safety.txt").write_text(str(spent))
