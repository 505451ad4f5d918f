"""Errors that are not bugs: a user's mistakes, and resources of the machine that are unavailable."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lightsearch.credentials import without_secrets

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""Errors of a file system that a program cannot resolve: no space, a quota, a read-only or broken disk."""


@dataclass(frozen=True)
class Mistake:
    """One mistake in the input, printed as one line: ``trainer.max_epochs = 0: write at least 1``."""

    field: str
    """Where it is: a key of the study file (``trainer.max_epochs``), or an option (``--study``)."""
    value: object
    """The value that was given."""
    hint: str
    """What is wrong with it, and what to write instead."""

    def __str__(self) -> str:
        text = repr(self.value)
        return f"{self.field} = {text if len(text) <= 80 else text[:77] + '...'}: {self.hint}"


class UserError(Exception):
    """The user has to change something. Commands print one line per mistake, no traceback, and exit with status 2.

    Args:
        mistakes: All that is wrong.
    """

    def __init__(self, *mistakes: Mistake | str) -> None:
        self.mistakes = mistakes
        super().__init__(*mistakes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))


class Untestable(UserError):
    """A model cannot be tested: there are no test samples, or it has no ``test_step``. The test set was not used."""


class ResourceUnavailable(Exception):
    """A resource of the machine is unavailable: the disk is full, a folder is read-only, the storage is unreachable.

    The cause is neither the user's code nor the trial. No trial fails because of it: running trials wait, and the next
    run continues them. Commands exit with status 1. The message is one line that names the resource.
    """


class StorageFailed(ResourceUnavailable):
    """The study's storage failed. A database that a trial's own code uses never raises this.

    Args:
        error: The exception of Optuna or of the database.
    """

    def __init__(self, error: BaseException) -> None:
        inner = error if hasattr(error, "orig") else error.__cause__
        cause = getattr(inner, "orig", None) or inner or error
        self.reason = without_secrets(first_line(cause))
        """Its message, in one line, without passwords."""
        super().__init__(f"the storage: {self.reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (RuntimeError(self.reason),)  # the original exception may not be picklable


def as_unavailable(error: BaseException) -> ResourceUnavailable | None:
    """The exception as a ``ResourceUnavailable``. None if it is another error."""
    if isinstance(error, ResourceUnavailable):
        return error
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return ResourceUnavailable(str(error))
    return None


def first_line(error: object, empty: str | None = None) -> str:
    """The first line of an error's message.

    Args:
        error: The exception, or its message.
        empty: What to return if the message is empty; None: the name of the error's type.
    """
    lines = str(error).strip().splitlines()
    if lines:
        return lines[0].rstrip()
    return type(error).__name__ if empty is None else empty


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for a misspelt name: the nearest known name, or the list of known names."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return "known are: " + ", ".join(names) if names else "there are none"
