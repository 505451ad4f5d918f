"""An exception of the user's own code in one line: the exception, the function, the line of code."""

from __future__ import annotations

import multiprocessing
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from lightsearch.compat.lightning_package import package_of
from lightsearch.declare.libraries import is_library
from lightsearch.errors import Mistake

LENGTH = 300
"""Maximum number of characters of a message."""

IN_WORKER = re.compile(r"Caught \w+ in DataLoader worker process")

TRACEBACK_LINE = re.compile(r'File "(.+?)", line (\d+), in (\S+)')

_OURS = str(Path(__file__).parents[1])


class Blame(NamedTuple):
    """Where an exception comes from."""

    line: str | None
    """``mine.py, line 12``; None: no line of the user's own code was running."""
    function: str | None
    """``Net.training_step``."""
    is_data: bool
    """Whether the data raised it, as far as is known."""
    is_ours: bool = False
    """Whether lightsearch raised it, and no line of the user's own code was running."""


def as_mistake(error: BaseException, field: str, value: object, classes: Iterable[type] = ()) -> Mistake:
    """An exception as a mistake of one line. In the user's own process its traceback is printed first.

    Args:
        error: The exception.
        field: The key of the study file that names the class or function that raised it.
        value: The value of that key.
        classes: The user's classes: their files count as the user's own wherever they are.
    """
    in_child = multiprocessing.parent_process() is not None
    if not in_child:
        traceback.print_exception(error)
    blame = find_blame(error, classes)
    raised = f"{blame.function or 'it'} raises {type(error).__name__}"
    where = f" ({blame.line})" if blame.line else ""
    more = "; --workers 0 shows the traceback" if in_child else ""
    return Mistake(field, value, f"{raised}: {message(error)}{where}{more}")


def message(error: BaseException) -> str:
    """The message of an exception, in one line."""
    text = str(error).strip()
    if IN_WORKER.match(text):
        text = text.splitlines()[-1].removeprefix(f"{type(error).__name__}: ")
    text = " ".join(text.split())
    return text if len(text) <= LENGTH else text[: LENGTH - 3] + "..."


def find_blame(error: BaseException, classes: Iterable[type] = ()) -> Blame:
    """Finds the innermost line of the user's own code that was running.

    Args:
        error: The exception.
        classes: The user's classes.
    """
    files = {file for cls in classes for file in _files(cls)}
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in frames if _is_own(_file(frame), files)]
    if IN_WORKER.match(str(error)):
        lines = [found for found in TRACEBACK_LINE.findall(str(error)) if _is_own(found[0], files)]
        if lines:
            file, number, function = lines[-1]
            return Blame(f"{Path(file).name}, line {number}", function, True)
    if not own:
        return Blame(None, None, False, is_ours=bool(frames) and _file(frames[-1][0]).startswith(_OURS))
    frame, line = own[-1]
    function = frame.f_code.co_qualname.replace(".<locals>", "")
    where = f"{Path(_file(frame)).name}, line {line}"
    return Blame(where, None if function == "<module>" else function, any(_serves_data(frame) for frame, _ in own))


def _serves_data(frame: FrameType) -> bool:
    bases = type(frame.f_locals.get("self")).__mro__
    return any(base.__name__ in ("Dataset", "LightningDataModule") for base in bases)


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename


def _files(cls: type) -> set[str]:
    """The files of a class and of its bases, without Lightning's and torch's."""
    own: list[Any] = [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in ("torch", "builtins")]
    modules = [sys.modules.get(base.__module__) for base in own if not _is_lightnings(base)]
    return {file for module in modules if (file := getattr(module, "__file__", None))}


def _is_lightnings(cls: type) -> bool:
    lightning = package_of(cls)
    return lightning is not None and cls.__module__.partition(".")[0] == lightning.__name__.partition(".")[0]


def _is_own(file: str, files: set[str]) -> bool:
    if file in files:
        return True
    return not file.startswith(("<frozen", _OURS)) and not is_library(file)
