"""A dry run: a batch of training and of validation before anything is stored, in a child of the fork server."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lightsearch.declare.parameters import ListParameter
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError, as_unavailable
from lightsearch.launchers.fork_server import ForkServer, end_with_parent
from lightsearch.launchers.processes import interrupt
from lightsearch.machine import descendants
from lightsearch.outcome import PLAIN, Interrupted, Kind, kind_of
from lightsearch.preflight.blame import blamed, message, told

END_SECONDS = 3.0
"""How long the child may take to end when it is asked to."""


class DryRun(BaseModel):
    """What a dry run has found."""

    mistakes: list[str] = []
    """What every trial would fail of, a line each."""
    notes: list[str] = []
    """What is worth knowing, and may be that of one configuration."""


def dry_run(server: ForkServer | None, study_file: StudyFile, data_dir: str | None, limit: float | None) -> DryRun:
    """Trains and validates a batch with the classes' defaults, as far as the space has them. Nothing of it stays.

    Args:
        server: Where the child comes from; None: in this process.
        study_file: The declared study.
        data_dir: Folder of the data files.
        limit: Seconds after which the child is ended, as a trial would be.
    """
    if study_file.objective is not None:
        return DryRun()  # what a function does is its own
    with tempfile.TemporaryDirectory(prefix="lightsearch-", ignore_cleanup_errors=True) as name:
        if server is not None:
            return _in_child(server, study_file, data_dir, limit, Path(name))
        with _as_before():
            return attempt(study_file, data_dir, Path(name))


def attempt(study_file: StudyFile, data_dir: str | None, folder: Path) -> DryRun:
    """A dry run in this process.

    What one configuration alone fails of is a note: a failure counts once another one fails likewise, validated on all
    of the validation data. Where nothing is sampled there is no other one.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    first, other = configurations(study_file)
    try:
        failure = _tried(study_file, first, data_dir, folder / "first", whole=False)
        if not isinstance(failure, BaseException):
            return DryRun(notes=failure)
        passing = _of_configuration(failure)
        if passing is None:
            again = _tried(study_file, other, data_dir, folder / "other", whole=True)
            if isinstance(again, BaseException) and _alike(failure, again):
                return DryRun(mistakes=[str(_mistake(again, study_file))])
            passing = _mistake(failure, study_file).hint
    except UserError as error:
        return DryRun(mistakes=[str(mistake) for mistake in error.mistakes])
    return DryRun(notes=[f"note: a dry run with {_shown(first)}: {passing}"])


def configurations(study_file: StudyFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two configurations of the space: the classes' defaults, as far as it has them, and one that was drawn.

    For an argument without a default in the space the first enqueued value serves, else the lowest.
    """
    import optuna

    from lightsearch.declare.arguments import default_arguments

    arguments = default_arguments(study_file)
    enqueued = study_file.enqueue[0] if study_file.enqueue else {}
    params: dict[str, Any] = {}
    for entry in study_file.space.entries:
        if not entry.parameter.applies(params):
            continue
        value: Any = arguments[entry.section]
        for part in entry.argument.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        try:
            params |= entry.parameter.read(value, entry.name)
        except ValueError:
            known = {name: one for name, one in enqueued.items() if name in _names(entry.parameter, entry.name)}
            params |= known or entry.parameter.read(_lowest(entry.parameter), entry.name)
    sampler = optuna.samplers.RandomSampler(seed=study_file.seed)
    drawn = study_file.space.suggest(optuna.create_study(sampler=sampler).ask())
    return params, drawn


def _names(parameter: Any, name: str) -> set[str]:
    return set() if isinstance(parameter, ListParameter) else {name}


def _lowest(parameter: Any) -> Any:
    """The argument that its lowest value makes."""
    if isinstance(parameter, ListParameter):
        least = parameter.length if isinstance(parameter.length, int) else parameter.length[0]
        return parameter.item.examples()[:1] * least
    return parameter.examples()[0]


def _tried(
    study_file: StudyFile, params: dict[str, Any], data_dir: str | None, folder: Path, *, whole: bool
) -> list[str] | BaseException:
    """What is worth knowing of a configuration, or what it fails of.

    Raises:
        UserError: what is wrong with the study.
    """
    from lightsearch.preflight.probe import probe

    folder.mkdir()
    try:
        return probe(study_file, params, data_dir, folder, whole=whole)
    except (UserError, Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:  # the user's own code may end the process, too
        if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None  # Lightning's way with a Ctrl-C
        return error


def _of_configuration(error: BaseException) -> str | None:
    """That a failure is one of this configuration, or of the machine; None: it may be that of all."""
    machine = kind_of(error) in (Kind.OUT_OF_MEMORY, Kind.DIVERGED) or as_unavailable(error) is not None
    if machine or (blamed(error).is_ours and type(error).__name__ not in PLAIN):
        return message(error)
    return None


def _alike(one: BaseException, other: BaseException) -> bool:
    return type(one) is type(other) and blamed(one) == blamed(other)


def _mistake(error: BaseException, study_file: StudyFile) -> Mistake:
    """A failure as a mistake: of the data, of the Trainer's keyword argument that it names, or of the model."""
    from lightsearch.declare.classes import find_class

    model, data = find_class(study_file.model, "model"), find_class(study_file.data, "data")
    blame = blamed(error, [model, data])
    field, value = "model.class_path", study_file.model.class_path
    if type(error).__name__ in PLAIN:
        return Mistake(field, value, message(error))
    if blame.is_data:
        field, value = "data.class_path", study_file.data.class_path
    elif blame.place is None:
        for name, keyword in study_file.trainer.keywords.items():
            if f"{name}" in message(error).replace("`", " ").replace("(", " ").split() and name != "devices":
                field, value = f"trainer.{name}", keyword
    return told(error, field, value, [model, data])


def _shown(params: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items()) or "the study's only configuration"


def _in_child(
    server: ForkServer, study_file: StudyFile, data_dir: str | None, limit: float | None, folder: Path
) -> DryRun:
    # No daemon: the data's loaders may have processes of their own.
    process, receiver = server.start(_be, study_file, data_dir, folder)
    try:
        if not receiver.poll(limit):
            return DryRun(notes=[f"note: a dry run was not done within {limit:g} s (--trial-timeout)"])
        found: DryRun = receiver.recv()
        return found
    except EOFError:
        process.join(END_SECONDS)
        return DryRun(notes=[f"note: the process of a dry run died: exit code {process.exitcode}"])
    finally:
        process.terminate()
        process.join(END_SECONDS)
        process.kill()
        process.join()
        descendants.kill_of_pids([process.pid])


def _be(sender: Connection, study_file: StudyFile, data_dir: str | None, folder: Path) -> None:
    """The child's whole life."""
    import torch

    descendants.mark()
    torch.set_num_threads(1)  # a batch is over before threads pay
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches all processes; the parent decides
    signal.signal(signal.SIGTERM, interrupt)
    end_with_parent()
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)  # what a module prints is of no batch that counts
        os.dup2(nowhere.fileno(), 2)
    try:
        with contextlib.suppress(Interrupted, BrokenPipeError):
            sender.send(attempt(study_file, data_dir, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """Puts back what a fit changes in its process."""
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
        with contextlib.suppress(ValueError):  # signals are the main thread's
            for number, handler in handlers.items():
                signal.signal(number, handler)
        sys.stdout.flush()
