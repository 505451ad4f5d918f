"""A dry run: one batch of training and one of validation before anything is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError, as_unavailable
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.outcome import PLAIN, Interrupted, Kind, kind_of
from lightsearch.preflight.blame import as_mistake, find_blame, message
from lightsearch.preflight.callbacks import callback_of
from lightsearch.preflight.configurations import two_configurations
from lightsearch.preflight.isolation import ChildDied, run_isolated


class DryRun(BaseModel):
    """What a dry run found."""

    mistakes: list[str] = []
    """Failures that every trial would have, one line each."""
    notes: list[str] = []
    """Other findings, which may concern one configuration only."""
    trains: bool = True
    """Whether the configuration that was tried trained."""


def dry_run(server: ForkServer | None, study_file: StudyFile, data_dir: str | None, limit: float | None) -> DryRun:
    """Trains and validates one batch with the classes' defaults, as far as the space contains them. Nothing is kept.

    Args:
        server: Starts the child process of the dry run; None: it runs in this process.
        study_file: The declared study.
        data_dir: Folder of the data files.
        limit: Seconds after which the child is ended, as a trial would be; None: no limit.
    """
    if study_file.objective is not None:
        return DryRun()  # a function has no model to try
    try:
        return run_isolated(server, try_study, study_file, data_dir, limit)
    except TimeoutError:
        note = f"note: a dry run was not done within {limit:g} s (--trial-timeout)"
    except ChildDied as death:
        note = f"note: the process of a dry run died: exit code {death.exit_code}"
    return DryRun(notes=[note], trains=False)


def try_study(study_file: StudyFile, data_dir: str | None, folder: Path) -> DryRun:
    """A dry run in this process.

    A failure of one configuration is a note. It is a mistake if a second configuration, validated on all validation
    samples, fails in the same way. If nothing is sampled, the second configuration equals the first.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    first, other = two_configurations(study_file)
    try:
        failure = _try(study_file, first, data_dir, folder / "first", whole=False)
        if not isinstance(failure, BaseException):
            if wrong := _check_mutated(study_file, first, data_dir):
                return DryRun(mistakes=wrong)
            return DryRun(notes=failure)
        passing = _specific_to_configuration(failure)
        if passing is None:
            again = _try(study_file, other, data_dir, folder / "other", whole=True)
            if isinstance(again, BaseException) and _alike(failure, again):
                return DryRun(mistakes=[str(_mistake(again, study_file))])
            passing = _mistake(failure, study_file).hint
    except UserError as error:
        return DryRun(mistakes=[str(mistake) for mistake in error.mistakes])
    return DryRun(notes=[f"note: a dry run with {_shown(first)}: {passing}"], trains=False)


def _check_mutated(study_file: StudyFile, params: dict[str, Any], data_dir: str | None) -> list[str]:
    from lightsearch.preflight.mutation import check_mutated

    return [str(mistake) for mistake in check_mutated(study_file, params, data_dir)]


def _try(
    study_file: StudyFile, params: dict[str, Any], data_dir: str | None, folder: Path, *, whole: bool
) -> list[str] | BaseException:
    """Notes on a configuration, or the exception that it fails with.

    Raises:
        UserError: mistakes of the study.
    """
    from lightsearch.preflight.probe import probe

    folder.mkdir()
    try:
        return probe(study_file, params, data_dir, folder, whole=whole)
    except (UserError, Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:  # the user's own code may also raise SystemExit
        if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None  # Lightning turns a Ctrl-C into a SystemExit
        return error


def _specific_to_configuration(error: BaseException) -> str | None:
    """The message of a failure that is due to this configuration or to the machine; None: all may fail with it."""
    machine = kind_of(error) in (Kind.OUT_OF_MEMORY, Kind.DIVERGED) or as_unavailable(error) is not None
    if machine or (find_blame(error).is_ours and type(error).__name__ not in PLAIN):
        return message(error)
    return None


def _alike(one: BaseException, other: BaseException) -> bool:
    return type(one) is type(other) and find_blame(one) == find_blame(other)


def _mistake(error: BaseException, study_file: StudyFile) -> Mistake:
    """A failure as a mistake: of a callback, the data, the Trainer's keyword argument that it names, or the model."""
    from lightsearch.declare.classes import find_class

    classes = [find_class(study_file.model, "model")] if study_file.config is None else []
    classes += [find_class(study_file.data, "data")] if study_file.data is not None else []
    blame = find_blame(error, classes)
    field, value = study_file.model_key
    if type(error).__name__ in PLAIN:
        return Mistake(field, value, message(error))
    if (found := callback_of(error, study_file)) is not None:
        field, value = found
    elif blame.is_data:
        field, value = study_file.loaders_key
    elif blame.line is None:
        words = message(error).replace("`", " ").replace("(", " ").split()
        for name, keyword in study_file.trainer.keywords.items():
            if name in words and name != "devices":
                field, value = f"trainer.{name}", keyword
    return as_mistake(error, field, value, classes)


def _shown(params: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items()) or "the study's only configuration"
