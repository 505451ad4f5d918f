"""The fork server, which has imported torch and Lightning, and the processes that are forked from it."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from types import ModuleType
from typing import Any

import psutil

from lightsearch.launchers.calls import Calls
from lightsearch.machine import descendants, leftovers
from lightsearch.machine.slurm import hide_task

GRACE_SECONDS = 10.0
"""How long a worker may take to write its checkpoints after its coordinator has died."""
PRELOAD_VARIABLE = "_LIGHTSEARCH_PRELOAD"
"""The environment variable with the modules that the server imports and their folders, as JSON."""

SERVER_KILLED = "its parent fork server was killed, so the process was stopped"

RESTART_SECONDS = 20.0
"""How long to try to start a child while the server is dying."""

_context = multiprocessing.get_context("forkserver")


class Child(ForkServerProcess):
    """A child of the fork server.

    Only the server knows how a child ends. If the server is killed, its children seem to have ended, but run on.
    """

    def start(self) -> None:
        super().start()
        self._observed: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
            self._observed = psutil.Process(self.pid)

    def end_orphan(self) -> bool:
        """Kills the child if it still runs although its server was killed; returns whether that was so.

        Nothing would report how such a child ends.
        """
        if self._observed is None:
            return False
        try:
            orphan = self._observed.is_running() and self._observed.status() != psutil.STATUS_ZOMBIE
            if orphan:
                self._observed.kill()
        except psutil.NoSuchProcess:
            return False
        return orphan


class ForkServer:
    """The server. It imports torch and Lightning once, which takes seconds; a child of it starts in 50 ms.

    Args:
        modules: Further modules that every child needs: those of the user's classes. A module that cannot be imported
            is skipped here; the child that needs it reports the error.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._preload = json.dumps({"path": sys.path, "modules": list(modules)})
        _context.set_forkserver_preload(["lightsearch.launchers.preload"])
        with self._running():
            leftovers.record_socket_owner()

    def start(self, target: Callable[..., None], *args: Any) -> tuple[Child, Connection]:
        """Starts ``target(connection, *args)`` in a child. Starts the server again if it was killed.

        Args:
            target: The function that the child runs. Its first argument is the child's end of a pipe.
            args: Further arguments of the function.

        Returns:
            The child, and this process's end of the pipe.

        Raises:
            OSError: if no child can be started within ``RESTART_SECONDS``.
            EOFError: likewise.
        """
        deadline = time.monotonic() + RESTART_SECONDS
        while True:
            here, there = _context.Pipe()  # new in each try: a child that was forked as its server died keeps its end
            # Not a daemon: a DataLoader may start workers there.
            child = Child(target=_with_default_start_method, args=(target, there, *args), daemon=False)
            try:
                with self._running(), _hidden_main_module():
                    child.start()
                return child, here
            except (OSError, EOFError):
                here.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)  # the server is dying; a moment later it is known to be dead
            finally:
                there.close()

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Ensures that the server runs. A server that is started again imports the same and ignores Ctrl-C too."""
        from multiprocessing import forkserver, resource_tracker

        os.environ[PRELOAD_VARIABLE] = self._preload
        try:
            with hide_task():
                # Started here because the start of the server would start it, and unblock the signals.
                resource_tracker.ensure_running()
                with _blocked_interrupts(), _hidden_main_module():
                    forkserver.ensure_running()
                yield
        finally:
            del os.environ[PRELOAD_VARIABLE]

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Runs ``function(*args)`` in a child and returns its result.

        Raises:
            RuntimeError: if the child dies.
        """
        (answer,) = self.call_in_parallel(1, function, *args)
        return answer

    def call_in_parallel(self, count: int, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Runs ``function(*args)`` in several children at the same time and returns their results.

        Args:
            count: How many children.
            function: The function; an exception that it raises is raised here.
            args: Its arguments.

        Raises:
            RuntimeError: if a child dies.
        """
        return self.begin(count, function, *args).results()

    def begin(self, count: int, function: Callable[..., Any], *args: Any) -> Calls:
        """Begins to run ``function(*args)`` in several children at the same time.

        Args:
            count: How many children.
            function: The function.
            args: Its arguments.
        """
        return Calls(function, [self.start(_answer, function, args) for _ in range(count)])


def _with_default_start_method(target: Callable[..., None], *args: Any) -> None:
    """Calls ``target`` with the default start method of the platform.

    Otherwise the workers of a DataLoader in the child would start from one more fork server each time. That takes
    seconds to import everything again, and no lambda can be sent to it.
    """
    multiprocessing.set_start_method(None, force=True)
    target(*args)


def end_with_parent() -> None:
    """Makes this process end when its parent, the coordinator, has ended in any way."""
    descendants.mark()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(GRACE_SECONDS)
        descendants.kill_of_pids([os.getpid()])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _answer(sender: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    end_with_parent()
    try:
        answer = function(*args)
    except Exception as error:
        answer = error
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        sender.send(answer)


@contextlib.contextmanager
def _blocked_interrupts() -> Iterator[None]:
    """Blocks SIGINT in this process, and permanently in the processes that it starts meanwhile.

    At a Ctrl-C, a server that still imports would print a traceback. This process gets the signal when it is unblocked,
    so that none is lost.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _hidden_main_module() -> Iterator[None]:
    """Hides the main module while a process starts.

    Otherwise multiprocessing imports it in every child. That is slow, and in a script without a ``__main__`` guard each
    child would start another search.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
