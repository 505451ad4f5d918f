"""A server that has torch and Lightning imported, and the processes that are forked from it."""

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

from lightsearch.machine import descendants, leftovers
from lightsearch.machine.slurm import no_task

GRACE_SECONDS = 10.0
"""How long a worker whose coordinator is gone may take to write its checkpoints."""
PRELOAD_VARIABLE = "_LIGHTSEARCH_PRELOAD"
"""Tells the server what to import, and where it lies: it is a new process, which inherits nothing else."""

SERVER_KILLED = "the server that it came from was killed, and it was ended with it"

RESTART_SECONDS = 20.0
"""How long to try to start a child while its server is being killed."""

_context = multiprocessing.get_context("forkserver")


class Child(ForkServerProcess):
    """A child of the fork server. How it ends is known from the server alone, and it outlives one that is killed."""

    def start(self) -> None:
        super().start()
        self._seen: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
            self._seen = psutil.Process(self.pid)

    def end_orphan(self) -> bool:
        """Ends it, if it only seems to have ended because its server was killed; says whether it was so.

        Nobody would ever be told what became of it.
        """
        if self._seen is None:
            return False
        try:
            orphan = self._seen.is_running() and self._seen.status() != psutil.STATUS_ZOMBIE
            if orphan:
                self._seen.kill()
        except psutil.NoSuchProcess:
            return False
        return orphan


class ForkServer:
    """The server. Importing torch and Lightning takes it seconds, once; a child of it starts in 50 ms.

    Args:
        modules: What else every child needs: the modules of the user's classes. One that cannot be imported is passed
            over here, and reported by whoever needs it.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._preload = json.dumps({"path": sys.path, "modules": list(modules)})
        _context.set_forkserver_preload(["lightsearch.launchers.preload"])
        with self._running():
            leftovers.own_sockets()

    def start(self, target: Callable[..., None], *args: Any, daemon: bool = False) -> tuple[Child, Connection]:
        """Starts ``target(connection, *args)`` in a child; a server that was killed is started again.

        Args:
            target: What the child does. Its first argument is its end of a pipe.
            args: Its further arguments.
            daemon: Whether it is ended with this process, and has no children of its own.

        Returns:
            The child, and this process's end of the pipe.
        """
        deadline = time.monotonic() + RESTART_SECONDS
        while True:
            here, there = _context.Pipe()  # anew each time: a child that was forked as its server died keeps its end
            child = Child(target=_as_in_a_script, args=(target, there, *args), daemon=daemon)
            try:
                with self._running(), _no_main_module():
                    child.start()
                return child, here
            except (OSError, EOFError):
                here.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)  # it is dying; a moment later that can be seen
            finally:
                there.close()

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Sees to it that the server runs. One that is started anew imports what the first did, and stays deaf too."""
        from multiprocessing import forkserver, resource_tracker

        os.environ[PRELOAD_VARIABLE] = self._preload
        try:
            with no_task():
                # The server needs it, and its own start would unblock the signals again.
                resource_tracker.ensure_running()
                with _deaf_to_interrupts(), _no_main_module():
                    forkserver.ensure_running()
                yield
        finally:
            del os.environ[PRELOAD_VARIABLE]

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)``, run in a child.

        Raises:
            RuntimeError: if the child dies.
        """
        (answer,) = self.call_at_once(1, function, *args)
        return answer

    def call_at_once(self, count: int, function: Callable[..., Any], *args: Any) -> list[Any]:
        """``function(*args)``, run in so many children at the same time; what each of them answers.

        Raises:
            RuntimeError: if a child dies.
        """
        # No daemons: a DataLoader may want workers there.
        children = [self.start(_answer, function, args) for _ in range(count)]
        try:
            answers = [_heard(function, child, connection) for child, connection in children]
        except BaseException:
            for child, _ in children:
                child.kill()
            raise
        finally:
            for _, connection in children:
                connection.close()
        for child, _ in children:
            child.join()
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers


def _heard(function: Callable[..., Any], child: Child, connection: Connection) -> Any:
    """What a child answers."""
    try:
        return connection.recv()
    except EOFError:
        child.join()
        ended = f"a process that was to run {function.__name__} ended with {child.exitcode}"
        raise RuntimeError(ended) from None


def _as_in_a_script(target: Callable[..., None], *args: Any) -> None:
    """Calls ``target`` where processes start as the platform starts them by default.

    A fork server's child would have a DataLoader's workers start from one more server each time, which takes seconds
    to import everything again, and which no lambda can be sent to.
    """
    multiprocessing.set_start_method(None, force=True)
    target(*args)


def end_with_parent() -> None:
    """Ends this process when its coordinator is gone, however that died."""
    descendants.mark()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(GRACE_SECONDS)
        descendants.end_of_killed([os.getpid()])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _answer(sender: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    end_with_parent()
    try:
        answer = function(*args)
    except Exception as error:
        answer = error
    with contextlib.suppress(BrokenPipeError):  # nobody is there any more
        sender.send(answer)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started meanwhile never sees Ctrl-C: the server, while it imports, would print a traceback.

    A blocked signal is inherited as such; here it is delivered as soon as it is unblocked, so that none is lost.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Hides the main module while a process starts.

    multiprocessing would import it in every child: needless, slow, and in a script without a ``__main__`` guard
    each child would start the search anew.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
