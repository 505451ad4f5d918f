"""A search in a Slurm job: its trials are no tasks of that job, and Lightning must not take them for such."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

TASK = ("SLURM_NTASKS", "SLURM_PROCID")
"""What tells a process that srun started it, as which one of how many."""


@contextmanager
def no_task() -> Iterator[None]:
    """Hides from this process, and from those that it starts meanwhile, which of the job's tasks it is.

    Lightning would make each trial a rank of one training over all tasks: it refuses their number, leaves loggers and
    files to the first, seeds the data's workers by rank, and at Slurm's signal requeues the whole job from a trial.
    """
    hidden = {name: os.environ.pop(name) for name in TASK if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
