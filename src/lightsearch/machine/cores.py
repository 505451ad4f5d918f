"""How many jobs run at a time on this machine, and with how many threads each."""

from __future__ import annotations

import os

from joblib import cpu_count

from lightsearch.errors import Mistake

VARIABLE = "OMP_NUM_THREADS"
"""The environment variable with a number of threads."""

MAX_THREADS = 1024


def usable_cores() -> int:
    """How many cores this process may use, within its affinity (``taskset``) and its container's limit."""
    return int(cpu_count())


def check_threads(threads: int | None) -> list[Mistake]:
    """What is wrong with the number of threads from the option ``--threads``, or else from ``OMP_NUM_THREADS``."""
    if threads is not None:
        wrong = not 1 <= threads <= MAX_THREADS
        return [Mistake("--threads", threads, f"write a number from 1 to {MAX_THREADS}")] if wrong else []
    given = os.environ.get(VARIABLE, "")
    if given and _from_environment() is None:
        return [Mistake(VARIABLE, given, "is no number of threads; write one, or unset it")]
    return []


def threads_for(workers: int, devices: int, threads: int | None = None) -> int:
    """CPU threads of each process of a job: as asked for, else an equal share of the cores.

    Args:
        workers: How many jobs run at a time.
        devices: Devices, or processes on the CPU, of a job.
        threads: The number that the user asked for; None: that of ``OMP_NUM_THREADS``, if it is set.
    """
    return threads or _from_environment() or max(1, usable_cores() // (workers * devices))


def workers_that_fit(jobs: int, accelerators: int, devices: int, threads: int | None = None) -> int:
    """How many jobs at a time fill the GPUs, or the cores where there are none.

    Args:
        jobs: How many jobs there are.
        accelerators: GPUs of the machine; 0: none.
        devices: GPUs, or processes on the CPU, of a job.
        threads: CPU threads of each process, as in ``threads_for``.
    """
    fitting = accelerators or usable_cores() // (threads or _from_environment() or 1)
    return max(1, min(fitting // devices, jobs))


def _from_environment() -> int | None:
    """The number in ``OMP_NUM_THREADS``. In a list, the first number is for the outermost level of parallelism."""
    first = os.environ.get(VARIABLE, "").split(",")[0].strip()
    return int(first) if first.isdecimal() and 1 <= int(first) <= MAX_THREADS else None
