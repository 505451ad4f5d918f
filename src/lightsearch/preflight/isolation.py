"""Where dry runs and rehearsals run: a child of the fork server, or this process, which is restored afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from lightsearch.declare.study_file import StudyFile
from lightsearch.launchers.fork_server import ForkServer, end_with_parent
from lightsearch.launchers.processes import interrupt
from lightsearch.machine import descendants
from lightsearch.outcome import Interrupted

Result = TypeVar("Result")

END_SECONDS = 3.0
"""How long the child may take to end when it is asked to."""


class ChildDied(Exception):
    """The child's process died before it returned."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def run_isolated(
    server: ForkServer | None,
    work: Callable[[StudyFile, str | None, Path], Result],
    study_file: StudyFile,
    data_dir: str | None,
    limit: float | None,
) -> Result:
    """Calls a function with a study, the folder of its data files, and a temporary folder. Nothing is kept.

    Args:
        server: Starts the child process that calls it; None: it is called in this process.
        work: The function; it can be pickled.
        study_file: The declared study.
        data_dir: Folder of the data files.
        limit: Seconds after which the child is ended, as a trial would be; None: no limit.

    Raises:
        TimeoutError: if the child was ended at the limit.
        ChildDied: if its process died.
    """
    with tempfile.TemporaryDirectory(prefix="lightsearch-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if server is None:
            with process_restored():
                return work(study_file, data_dir, folder)
        return run_in_child(server, work, (study_file, data_dir, folder), folder=folder, limit=limit)


def run_in_child(
    server: ForkServer, work: Callable[..., Result], arguments: tuple[Any, ...], *, folder: Path, limit: float | None
) -> Result:
    """Calls a function in a child process, on one thread and without output.

    Args:
        server: Starts the child.
        work: The function; it can be pickled.
        arguments: Its arguments.
        folder: The child deletes this folder at its end.
        limit: Seconds after which the child is ended; None: no limit.

    Raises:
        TimeoutError: if the child was ended at the limit.
        ChildDied: if its process died.
    """
    # Not a daemon: the loaders of the data may start processes.
    process, receiver = server.start(_run_child, work, arguments, folder)
    try:
        if not receiver.poll(limit):
            raise TimeoutError
        result: Result = receiver.recv()
        return result
    except EOFError:
        process.join(END_SECONDS)
        raise ChildDied(process.exitcode) from None
    finally:
        process.terminate()
        process.join(END_SECONDS)
        process.kill()
        process.join()
        descendants.kill_of_pids([process.pid])


def _run_child(sender: Connection, work: Callable[..., object], arguments: tuple[Any, ...], folder: Path) -> None:
    """The child, from the start of its process to its end."""
    import torch

    descendants.mark()
    torch.set_num_threads(1)  # one batch is too short for threads to pay off
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches all processes; the parent decides
    signal.signal(signal.SIGTERM, interrupt)
    end_with_parent()
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)  # discards what a module prints
        os.dup2(nowhere.fileno(), 2)
    try:
        with contextlib.suppress(Interrupted, BrokenPipeError):
            sender.send(work(*arguments))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def process_restored() -> Iterator[None]:
    """Restores what a fit changes in its process: random numbers, threads, torch's settings, environment, signals."""
    import numpy
    import torch

    states = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    exact, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    environment = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        random.setstate(states[0])
        numpy.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.use_deterministic_algorithms(exact)
        torch.backends.cudnn.benchmark = benchmark
        os.environ.clear()
        os.environ.update(environment)
        with contextlib.suppress(ValueError):  # only the main thread sets handlers
            for number, handler in handlers.items():
                signal.signal(number, handler)
        sys.stdout.flush()
