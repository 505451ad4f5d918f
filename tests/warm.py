"""Processes of the tests' commands that are forked, not started.

A fresh Python imports for seconds before a command begins, and so does the fork server of each search. Here one process
imports what the commands and the fork server import. Every command of the tests is a child of it: a process of its own
with its own environment, folder, arguments and exit status. Its fork server is forked from it in turn.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from multiprocessing import util
from pathlib import Path
from typing import Any, NoReturn, TextIO

READ_AT_START = ("OMP_", "MKL_", "CUDA_", "PYTHON")
"""Environment variables that Python and the libraries read once, when they are loaded."""
MESSAGE_BYTES = 1 << 17
ASIDE = 500
"""A file descriptor above those that a command has."""


class WarmProcess:
    """A command that runs, with the part of ``subprocess.Popen`` that the tests use.

    Args:
        words: The command line that it stands for.
        stdout: What it prints; None: it goes elsewhere.
        answers: A pipe, in which its process id and its exit status come.
    """

    def __init__(self, words: list[str], stdout: TextIO | None, answers: int) -> None:
        self.args = words
        self.stdout = stdout
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self.pid = self._number()
        self.returncode: int | None = None
        self._output: str | None = None

    def poll(self) -> int | None:
        """The exit status; None: it runs."""
        if self.returncode is None and select.select([self._answers], [], [], 0)[0]:
            self.returncode = os.waitstatus_to_exitcode(self._number())
            self._answers.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end.

        Raises:
            subprocess.TimeoutExpired: if it runs longer than ``timeout`` seconds.
        """
        if self.returncode is None and not select.select([self._answers], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        status = self.poll()
        assert status is not None
        return status

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Waits for the end of its output and for its own.

        Raises:
            subprocess.TimeoutExpired: if that takes longer than ``timeout`` seconds.
        """
        if self._output is not None:
            return self._output, None
        assert self.stdout is not None
        stdout, said = self.stdout, []
        reader = threading.Thread(target=lambda: said.append(stdout.read()), daemon=True)
        reader.start()
        reader.join(timeout)
        if reader.is_alive():
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(timeout)
        stdout.close()
        self._output = said[0]
        return self._output, None

    def send_signal(self, number: int) -> None:
        """Sends it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it, if it runs."""
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        read = self._answers.read(4)
        assert len(read) == 4, "the process that commands are forked from has died"
        return int.from_bytes(read, "little", signed=True)


class WarmCommands:
    """The process that has everything imported.

    Args:
        environ: Its environment.
    """

    def __init__(self, environ: dict[str, str]) -> None:
        self._given = _read_at_start(environ)
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MESSAGE_BYTES)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from tests.warm import serve; serve({theirs.fileno()})"],
                env=environ,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def takes(self, environ: dict[str, str]) -> bool:
        """Whether a child can have this environment: nothing in it differs that is read when a process starts."""
        return _read_at_start(environ) == self._given

    def start(self, words: list[str], environ: dict[str, str], folder: Path, output: int, errors: int) -> WarmProcess:
        """Starts a command in a process group of its own.

        Args:
            words: The module and its arguments, as after ``python -m``.
            environ: The environment.
            folder: The folder to run it in.
            output: The file descriptor that it prints to; it is not closed here.
            errors: That for its errors.
        """
        request = json.dumps({"words": words, "environ": environ, "folder": str(folder)})
        answers, theirs = os.pipe()
        socket.send_fds(self._requests, [request.encode()], [output, errors, theirs])
        os.close(theirs)
        return WarmProcess([sys.executable, "-m", *words], None, answers)


def _read_at_start(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(READ_AT_START)}


def serve(requests_fd: int) -> None:
    """Imports everything, and forks a process for each request that comes, until nobody can send one any more."""
    import lightsearch.cli.run
    import lightsearch.coordinator.pipeline
    import lightsearch.launchers.preload  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=requests_fd) as requests:
        while True:
            message, fds, *_ = socket.recv_fds(requests, MESSAGE_BYTES, 3)
            if not message:
                os._exit(0)
            if os.fork() == 0:
                break
            for fd in fds:
                os.close(fd)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _run(json.loads(message), *fds)


def _run(request: dict[str, Any], output: int, errors: int, answers: int) -> None:
    """Runs a command in a child of this process, and tells how it ends."""
    child = os.fork()
    if child:
        os.close(output)
        os.close(errors)
        os.write(answers, os.waitpid(child, 0)[1].to_bytes(4, "little"))
        os._exit(0)
    os.setsid()
    os.write(answers, os.getpid().to_bytes(4, "little"))
    os.close(answers)
    for fd, standard in ((output, 1), (errors, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    module, *sys.argv[1:] = request["words"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tempfile.tempdir = None
    _draw_other_numbers()
    _keep_a_fork_server()
    _end(_run_module(module))


def _draw_other_numbers() -> None:
    """Seeds anew the generators that a process seeds as it starts; else all commands would draw the same numbers."""
    import numpy

    random.seed()
    numpy.random.seed()


def _run_module(module: str) -> int:
    """Runs a module as ``python -m`` does; returns the exit status."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(status: int) -> NoReturn:
    """Ends this process as Python does, but leaves out the destruction of all modules, which takes two seconds."""
    threading._shutdown()
    atexit.unregister(gc.unfreeze)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _keep_a_fork_server() -> None:
    """Has a child ready that becomes this process's first fork server, where multiprocessing would start a Python.

    It is forked now: later there are connections to databases, which no process may inherit.
    """
    start = util.spawnv_passfds
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if not child:
        ours.close()
        _become_fork_server(theirs)
    theirs.close()

    def start_or_wake(path: bytes, args: list[str], passfds: list[int]) -> int:
        if "from multiprocessing.forkserver import main" not in args[-1]:
            return start(path, args, passfds)
        util.spawnv_passfds = start  # one that is killed is started again as everywhere
        blocked = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])]
        message = json.dumps({"code": args[-1], "passed": passfds, "environ": dict(os.environ), "blocked": blocked})
        with ours:
            socket.send_fds(ours, [message.encode()], passfds)
        return child

    util.spawnv_passfds = start_or_wake


def _become_fork_server(requests: socket.socket) -> NoReturn:
    """Waits until a fork server is wanted, and is the process that ``python -c code`` would be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with requests:
        message, fds, *_ = socket.recv_fds(requests, MESSAGE_BYTES, 8)
    if not message:
        os._exit(0)
    request = json.loads(message)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])
    os.environ.clear()
    os.environ.update(request["environ"])
    aside = [fcntl.fcntl(fd, fcntl.F_DUPFD, ASIDE) for fd in fds]
    for fd in fds:
        os.close(fd)
    for fd, number in zip(aside, request["passed"], strict=True):
        os.dup2(fd, number)
        os.close(fd)
    del sys.modules["lightsearch.launchers.preload"]  # it imports the modules of the study's classes
    try:
        exec(request["code"], {})
    finally:
        os._exit(0)
