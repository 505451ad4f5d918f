"""A trial on several devices: a process each, the worker itself being the first of them (rank 0).

Lightning's own launchers start the script anew, or train in children whose callbacks the script never sees again.
Here the worker forks the other ranks before it builds anything; all then do the same, and Lightning is told that its
processes are there already. Only the first rank knows the storage and writes files. Whenever it ends, however it ends,
the others do; whatever one of the others ends by, it ends by too.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import multiprocessing
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from types import ModuleType
from typing import Any, TypeVar

import torch
from pytorch_lightning import Callback
from pytorch_lightning.utilities import rank_zero_only

from lightsearch.flavours import based_on
from lightsearch.outcome import FailedElsewhere, ending_of

ECHO_SECONDS = 2.0
"""How long to look, once the first rank has failed, whether it was another one's failure that it felt."""
GRACE_SECONDS = 10.0
"""How long the first rank may take to feel that another one has failed; after that it is ended where it stands."""
LOOK_SECONDS = 0.5
"""How often a rank looks whether the others are alive, where it is not told."""

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's <sys/prctl.h>
_context = multiprocessing.get_context("fork")

Result = TypeVar("Result")


class Rank:
    """One of a trial's processes.

    Args:
        number: 0 is the first.
        count: How many there are.
        pipes: To the other ones, for the first; to the first one, for another.
    """

    def __init__(self, number: int = 0, count: int = 1, pipes: tuple[Connection, ...] = ()) -> None:
        self.number = number
        self.count = count
        self._pipes = pipes

    def agreed(self, decide: Callable[[], Result]) -> Result:
        """What the first rank decides; the others wait for it. To be called on all, in the same order."""
        if self.number:
            decision: Result = self._pipes[0].recv()
            return decision
        decision = decide()
        for pipe in self._pipes:
            pipe.send(decision)
        return decision

    @functools.cached_property
    def port(self) -> int:
        """Where the processes meet; found once all of them ask for it, so that none waits there for a dead one."""
        for pipe in self._pipes:
            pipe.send(None)
        for pipe in self._pipes:
            pipe.recv()
        return self.agreed(_free_port)

    def trainer(self, flavour: ModuleType, keywords: dict[str, Any]) -> Any:
        """This rank's Trainer.

        Args:
            flavour: The copy of Lightning that the model is of.
            keywords: Its keyword arguments, ``callbacks`` and ``plugins`` among them.
        """
        environments = importlib.import_module(f"{flavour.__name__}.plugins.environments")
        environment = based_on(environments.ClusterEnvironment, _Environment)(self)
        # ddp_spawn, ddp_fork and ddp_notebook are ddp with other launchers.
        strategy = re.sub(r"^ddp_(spawn|fork|notebook)", "ddp", str(keywords.get("strategy", "auto")))
        own = {"strategy": strategy, "plugins": [*keywords["plugins"], environment]}
        if self.count == 1:
            return flavour.Trainer(**{**keywords, **own})
        trainer = flavour.Trainer(**{**keywords, **own, "callbacks": [_WholeValidation(), *keywords["callbacks"]]})
        trainer.strategy.reduce = _unrounded(trainer.strategy.reduce)
        # Its handler of SIGTERM speaks to the other ranks, whatever they are just saying to each other.
        trainer._signal_connector.register_signal_handlers = lambda: None
        return trainer


ALONE = Rank()
"""The only process of a trial on one device."""


def run(count: int, train: Callable[[Rank], Result], record: Callable[[dict[str, Any]], object]) -> Result:
    """Runs ``train`` in so many processes, this one and children of it.

    To be called before this process has computed anything: threads do not survive the fork.

    Args:
        count: How many.
        train: What each rank does.
        record: Takes the ending (see ``ending_of``) that another rank has come to if this one does not feel it and has
            to be ended where it stands: called on another thread.

    Returns:
        What ``train`` returned on the first rank, once the others are done as well.

    Raises:
        FailedElsewhere: if another rank raised an exception.
    """
    if count == 1:
        return train(ALONE)
    others = _Others(record)
    try:
        try:
            result = train(others.start(count, train))
        except Exception:
            others.over.wait(ECHO_SECONDS)
            others.raise_failure()
            raise
        others.over.wait()
        others.raise_failure()
        return result
    finally:
        others.end()


class _Others:
    """The further ranks, as the first one sees them."""

    def __init__(self, record: Callable[[dict[str, Any]], object]) -> None:
        self.over = threading.Event()
        """Whether all are done, or one has failed."""
        self._left = threading.Event()
        """Whether this rank is done itself."""
        self._record = record
        self._failure: dict[str, Any] | int | None = None
        """The ending that a rank came to, or the exit code of one that died without a word."""
        self._ranks: dict[Connection, ForkProcess] = {}
        """Processes by the pipes through which they say how they ended."""

    def start(self, count: int, train: Callable[[Rank], object]) -> Rank:
        """Starts them, and returns what this rank is."""
        # Else Lightning takes the number of threads for its own to choose.
        os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
        pipes = []
        for number in range(1, count):
            pipe, its_pipe = _context.Pipe()
            report, its_report = _context.Pipe(duplex=False)
            rank = Rank(number, count, (its_pipe,))
            process = _context.Process(target=_be, args=(rank, train, its_report, os.getpid()), name=f"rank-{number}")
            process.start()
            its_pipe.close()
            its_report.close()
            pipes.append(pipe)
            self._ranks[report] = process
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()
        return Rank(0, count, tuple(pipes))

    def raise_failure(self) -> None:
        """Ends this rank as another one has ended, if it failed: by its exception, or by its signal."""
        if isinstance(self._failure, dict):
            raise FailedElsewhere(self._failure)
        if self._failure is not None:
            print(f"the process of another device died: exit code {self._failure}", file=sys.stderr, flush=True)
            _die(self._failure)

    def end(self) -> None:
        """Ends the others, which have nothing to lose."""
        self._left.set()
        for process in self._ranks.values():
            process.kill()
        for process in self._ranks.values():
            process.join()

    def _watch(self) -> None:
        waiting = dict(self._ranks)
        while waiting and self._failure is None:
            wait(list(waiting), LOOK_SECONDS)
            # A pipe can outlive its process in that one's own children.
            ended = [report for report, process in waiting.items() if report.poll() or process.exitcode is not None]
            failures = [failure for report in ended if (failure := _said(report, waiting.pop(report))) is not None]
            # Who died without a word is the cause; what others raise then is the echo.
            self._failure = min(failures, key=lambda failure: isinstance(failure, dict), default=None)
        self.over.set()
        if self._failure is None or self._left.wait(GRACE_SECONDS):
            return
        if isinstance(self._failure, dict):
            self._record(self._failure)
            os._exit(1)
        os.kill(os.getpid(), signal.SIGKILL)


def _said(report: Connection, process: ForkProcess) -> dict[str, Any] | int | None:
    """How a rank ended: None if it is done; its exit code if it died without a word."""
    if report.poll():
        with contextlib.suppress(EOFError):
            ending: dict[str, Any] | None = report.recv()
            return ending
        process.join(GRACE_SECONDS)
    return process.exitcode if process.exitcode is not None else 1


def _be(rank: Rank, train: Callable[[Rank], object], report: Connection, first: int) -> None:
    """The whole life of a rank that is not the first."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with(first)
    # What is inherited is the first rank's, open connections above all: nothing of it is ever tidied up here.
    gc.freeze()
    rank_zero_only.rank = rank.number  # type: ignore[attr-defined]
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)  # what a module prints is printed once
    try:
        train(rank)
        ending = None
    except BaseException as error:  # whatever it is, the first rank ends by it
        ending = ending_of(error)
    report.send(ending)


def _end_with(first: int) -> None:
    """Ends this process when the first rank is gone, however that died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == first:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _die(exit_code: int) -> None:
    """Ends this process as another one has ended; a handler of the signal comes first."""
    if exit_code < 0:
        os.kill(os.getpid(), -exit_code)
    os._exit(max(exit_code, 1))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Environment:
    """Tells Lightning that its processes are there. Goes on top of its ``ClusterEnvironment``."""

    creates_processes_externally = True
    main_address = "127.0.0.1"

    def __init__(self, rank: Rank) -> None:
        super().__init__()
        self._rank = rank

    @property
    def main_port(self) -> int:
        return self._rank.port

    @staticmethod
    def detect() -> bool:
        return True

    def world_size(self) -> int:
        return self._rank.count

    def set_world_size(self, size: int) -> None:
        pass

    def global_rank(self) -> int:
        return self._rank.number

    def set_global_rank(self, rank: int) -> None:
        pass

    def local_rank(self) -> int:
        return self._rank.number

    def node_rank(self) -> int:
        return 0


class _WholeValidation(Callback):
    """What a module logs in validation is that of all ranks' batches, without its asking for ``sync_dist``."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        log = pl_module.log

        @functools.wraps(log)
        def log_whole(name: str, value: Any, *args: Any, **options: Any) -> None:
            if trainer.validating and not options.get("rank_zero_only"):
                options["sync_dist"] = True
            log(name, value, *args, **options)

        pl_module.log = log_whole


def _unrounded(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """Lightning's reduction over the ranks, which rounds down the mean of whole numbers: of batch sizes, say."""

    @functools.wraps(reduce)
    def reduced(tensor: Any, group: Any = None, reduce_op: Any = "mean") -> Any:
        if reduce_op in ("mean", "avg") and isinstance(tensor, torch.Tensor) and not tensor.is_floating_point():
            tensor = tensor.double()
        return reduce(tensor, group=group, reduce_op=reduce_op)

    return reduced
