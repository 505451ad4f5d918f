"""An exception of the user's own code in one line: what was raised, by what, where."""

from __future__ import annotations

import multiprocessing
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from lightsearch.compat.lightning_package import package_of
from lightsearch.errors import Mistake

LENGTH = 300
"""Characters of a message that are shown."""

IN_WORKER = re.compile(r"Caught \w+ in DataLoader worker process")

PLACES = re.compile(r'File "(.+?)", line (\d+), in (\S+)')

_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})

_OURS = str(Path(__file__).parents[1])


class Blame(NamedTuple):
    """Where an exception comes from."""

    place: str | None
    """``mine.py, line 12``; None: no line of the user's own was running."""
    function: str | None
    """``Net.training_step``."""
    is_data: bool
    """Whether the data raised it, as far as can be told."""
    is_ours: bool = False
    """Whether lightsearch raised it, and nothing of the user's own was running."""


def told(error: BaseException, field: str, value: object, classes: Iterable[type] = ()) -> Mistake:
    """An exception as a mistake of one line. In the user's own process its traceback is printed before.

    Args:
        error: What was raised.
        field: The key of the study file that names what raised it.
        value: What that key says.
        classes: The user's classes: their files are the user's own wherever they lie.
    """
    in_child = multiprocessing.parent_process() is not None
    if not in_child:
        traceback.print_exception(error)
    blame = blamed(error, classes)
    raised = f"{blame.function or 'it'} raises {type(error).__name__}"
    where = f" ({blame.place})" if blame.place else ""
    more = "; --workers 0 shows the traceback" if in_child else ""
    return Mistake(field, value, f"{raised}: {message(error)}{where}{more}")


def message(error: BaseException) -> str:
    """What an exception says, in one line."""
    text = str(error).strip()
    if IN_WORKER.match(text):
        text = text.splitlines()[-1].removeprefix(f"{type(error).__name__}: ")
    text = " ".join(text.split())
    return text if len(text) <= LENGTH else text[: LENGTH - 3] + "..."


def blamed(error: BaseException, classes: Iterable[type] = ()) -> Blame:
    """Finds the innermost line of the user's own that was running.

    Args:
        error: What was raised.
        classes: The user's classes.
    """
    files = {file for cls in classes for file in _files(cls)}
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in frames if _is_own(_file(frame), files)]
    if IN_WORKER.match(str(error)):
        places = [found for found in PLACES.findall(str(error)) if _is_own(found[0], files)]
        if places:
            file, number, function = places[-1]
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
    """The files of a class and of what it derives from, Lightning and what is below it left out."""
    own: list[Any] = [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in ("torch", "builtins")]
    modules = [sys.modules.get(base.__module__) for base in own if not _is_lightnings(base)]
    return {file for module in modules if (file := getattr(module, "__file__", None))}


def _is_lightnings(cls: type) -> bool:
    lightning = package_of(cls)
    return lightning is not None and cls.__module__.partition(".")[0] == lightning.__name__.partition(".")[0]


def _is_own(file: str, files: set[str]) -> bool:
    if file in files:
        return True
    return not file.startswith(("<frozen", _OURS, *_LIBRARIES))
