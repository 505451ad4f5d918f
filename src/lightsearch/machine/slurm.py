"""A search in a Slurm job: its trials are not tasks of that job, and Lightning must not treat them as tasks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

TASK = ("SLURM_NTASKS", "SLURM_PROCID")
"""The variables that tell a process that srun started it: how many tasks there are, and which of them it is."""


@contextmanager
def hide_task() -> Iterator[None]:
    """Hides from this process, and from those that it starts meanwhile, that it is a task of a Slurm job.

    Otherwise Lightning makes each trial a rank of one training over all tasks: it refuses their number, lets only the
    first rank log and write files, seeds the loaders' workers by rank, and requeues the whole job at Slurm's signal.
    """
    hidden = {name: os.environ.pop(name) for name in TASK if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
