"""What is wrong with a sampler or a pruner: a part of its section, or what its own code raises."""

from __future__ import annotations

import traceback
from pathlib import Path

from lightsearch.declare.libraries import is_library
from lightsearch.errors import first_line

OURS = str(Path(__file__).parents[1])


class SpecError(Exception):
    """A wrong part of a sampler's or a pruner's section.

    Args:
        field: Its name in the section, such as ``init_args.seed``.
        value: What it holds.
        hint: What to write instead.
    """

    def __init__(self, field: str, value: object, hint: str) -> None:
        self.field, self.value, self.hint = field, value, hint


def described(error: Exception) -> str:
    """An exception of a class that is not Optuna's, in one line: its type, its message, and the line that raised it."""
    text, message = type(error).__name__, first_line(error, empty="")
    if message:
        text += f": {message}"
    if isinstance(error, SyntaxError):  # its message names the line
        return text
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(("<", OURS)) and not is_library(frame.filename)]
    return f"{text} ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else text
