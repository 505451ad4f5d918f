"""Runs the commands of the tests in processes that are forked, not started.

A fresh Python imports for seconds, and so does the fork server of each search. Here one process imports what the
commands and the fork server import, and every command of the tests is a child of it: a process of its own with its own
environment, folder, arguments and exit status, whose fork server is forked from it in turn.
"""

from __future__ import annotations

import atexit
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
from typing import Any, NoReturn

READ_AT_START = ("OMP_", "MKL_", "KMP_", "CUDA_", "PYTHON")
"""Environment variables that libraries and Python read once, when they are loaded."""
MESSAGE_BYTES = 1 << 17


class WarmCommands:
    """Runs commands in children of a process that has everything imported.

    Args:
        environ: The environment of that process.
    """

    def __init__(self, environ: dict[str, str]) -> None:
        self._given = _read_at_start(environ)
        self._lock = threading.Lock()
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MESSAGE_BYTES)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from tests.warm import serve; serve({theirs.fileno()})"],
                env=environ,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def takes(self, environ: dict[str, str]) -> bool:
        """Whether a child can have this environment: nothing in it differs that is read when a process starts."""
        return self._process.poll() is None and _read_at_start(environ) == self._given

    def run(
        self, module: str, arguments: list[str], environ: dict[str, str], folder: Path, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``python -m module arguments`` to its end.

        Raises:
            subprocess.TimeoutExpired: if it takes longer than ``timeout`` seconds; it is killed.
        """
        words = [sys.executable, "-m", module, *arguments]
        request = json.dumps({"module": module, "arguments": arguments, "environ": environ, "folder": str(folder)})
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            answer, theirs = os.pipe()
            with self._lock:
                socket.send_fds(self._requests, [request.encode()], [stdout.fileno(), stderr.fileno(), theirs])
            os.close(theirs)
            with os.fdopen(answer, "rb", buffering=0) as answers:
                pid = _number(answers.fileno(), None)
                try:
                    status = _number(answers.fileno(), timeout)
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(words, timeout) from None
            said = []
            for file in (stdout, stderr):
                file.seek(0)
                said.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(status), *said)

    def close(self) -> None:
        """Ends the process."""
        self._requests.close()
        self._process.wait()


def _read_at_start(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(READ_AT_START)}


def _number(fd: int, timeout: float | None) -> int:
    """The next number that comes from a child's parent."""
    if not select.select([fd], [], [], timeout)[0]:
        raise TimeoutError
    read = os.read(fd, 4)
    assert len(read) == 4, "the process that runs the commands has died"
    return int.from_bytes(read, "little", signed=True)


def serve(requests_fd: int) -> None:
    """Imports everything, and runs a command for each request that comes."""
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


def _run(request: dict[str, Any], stdout: int, stderr: int, answers: int) -> None:
    """Runs a command in a child of this process, and tells its process id and how it ends."""
    pid = os.fork()
    if pid:
        os.write(answers, pid.to_bytes(4, "little"))
        os.write(answers, os.waitpid(pid, 0)[1].to_bytes(4, "little"))
        os._exit(0)
    os.close(answers)
    for fd, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    sys.argv = ["", *request["arguments"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _draw_other_numbers()
    _fork_the_fork_server()
    _end(_run_module(request["module"]))


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
    """Ends this process as Python does, but for the modules, whose destruction takes torch two seconds."""
    threading._shutdown()
    atexit.unregister(gc.unfreeze)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _draw_other_numbers() -> None:
    """Has the generators that a process seeds as it starts draw other numbers than those of the last command."""
    import numpy

    random.seed()
    numpy.random.seed()


def _fork_the_fork_server() -> None:
    """Has this process fork its first fork server, where multiprocessing would start it."""
    start = util.spawnv_passfds

    def start_or_fork(path: bytes, args: list[str], passfds: list[int]) -> int:
        if "from multiprocessing.forkserver import main" not in args[-1] or threading.active_count() > 1:
            return start(path, args, passfds)
        util.spawnv_passfds = start  # one that is killed is started anew as it is everywhere
        return os.fork() or _be_fork_server(args[-1], passfds)

    util.spawnv_passfds = start_or_fork


def _be_fork_server(code: str, passfds: list[int]) -> NoReturn:
    """Becomes the process that ``python -c code`` would be."""
    try:
        from lightsearch.machine import owner, quiet_cores

        for kept in (owner.this_process, quiet_cores.cores):
            kept.cache_clear()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        util._finalizer_registry.clear()
        del sys.modules["lightsearch.launchers.preload"]  # imports the modules of the study's classes
        exec(code, {})
    except SystemExit:
        pass
    finally:
        os._exit(0)
