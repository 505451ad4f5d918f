"""How many jobs share the machine's cores, and with how many threads each."""

from __future__ import annotations

import os

from joblib import cpu_count

from lightsearch.errors import Mistake

VARIABLE = "OMP_NUM_THREADS"

MOST_THREADS = 1024


def usable_cores() -> int:
    """Those that this process may use: its affinity (``taskset``) and a container's limit are seen to."""
    return int(cpu_count())


def check_threads(threads: int | None) -> list[Mistake]:
    """What is wrong with a number of threads that was asked for, by the option or by ``OMP_NUM_THREADS``."""
    if threads is not None:
        wrong = not 1 <= threads <= MOST_THREADS
        return [Mistake("--threads", threads, f"write a number from 1 to {MOST_THREADS}")] if wrong else []
    given = os.environ.get(VARIABLE, "")
    if given and _of_environment() is None:
        return [Mistake(VARIABLE, given, "is no number of threads; write one, or unset it")]
    return []


def threads_for(workers: int, devices: int, threads: int | None = None) -> int:
    """CPU threads of each of a job's processes: as asked for, else so many that the jobs share the cores.

    Args:
        workers: Jobs at a time.
        devices: Devices, or processes on the CPU, that a job takes.
        threads: What was asked for; None: what ``OMP_NUM_THREADS`` says, if it says anything.
    """
    return threads or _of_environment() or max(1, usable_cores() // (workers * devices))


def workers_that_fit(jobs: int, accelerators: int, devices: int, threads: int | None = None) -> int:
    """How many jobs at a time fill the GPUs, or the cores where there are none.

    Args:
        jobs: How many there are.
        accelerators: GPUs of the machine.
        devices: What a job takes: GPUs, or processes on the CPU.
        threads: CPU threads of each process, as in ``threads_for``.
    """
    places = accelerators or usable_cores() // (threads or _of_environment() or 1)
    return max(1, min(places // devices, jobs))


def _of_environment() -> int | None:
    """What ``OMP_NUM_THREADS`` says; of a list the first, which is for the outermost level."""
    first = os.environ.get(VARIABLE, "").split(",")[0].strip()
    return int(first) if first.isdecimal() and 1 <= int(first) <= MOST_THREADS else None
