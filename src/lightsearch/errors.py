"""What a user did that lightsearch cannot do, said in one line each."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

from lightsearch.credentials import without_secrets

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""Errors of a file system that no program can do anything about."""


@dataclass(frozen=True)
class Mistake:
    """One thing to hint: where it is, what was given, and what to do about it."""

    field: str
    value: object
    hint: str

    def __str__(self) -> str:
        text = repr(self.value)
        return f"{self.field} = {text if len(text) <= 80 else text[:77] + '...'}: {self.hint}"


class UserError(Exception):
    """A user's mistake: printed line by line without a traceback, exit status 2.

    Args:
        mistakes: What is wrong, one line each.
    """

    def __init__(self, *mistakes: Mistake | str) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(str(mistake) for mistake in mistakes))


class Untestable(UserError):
    """There is nothing to test a model with: no test samples, or no ``test_step``. No use of the test set was made."""


class ResourceUnavailable(Exception):
    """The machine does not let the work go on: the disk is full, a folder is read-only, the storage is gone.

    Neither the user's code nor the trial is to blame, so no trial fails of it: it waits to be continued.

    Says what happened to what, in one line.
    """


class StorageFailed(ResourceUnavailable):
    """The study's storage does not do what it is asked; a trial's own database is not meant.

    Args:
        error: What Optuna or the database raised.
    """

    def __init__(self, error: BaseException) -> None:
        inner = error if hasattr(error, "orig") else error.__cause__
        cause = getattr(inner, "orig", None) or inner or error
        self.reason = without_secrets((str(cause).strip().splitlines() or [type(cause).__name__])[0])
        """What it says, in one line."""
        super().__init__(f"the storage: {self.reason}")


def as_unavailable(error: BaseException) -> ResourceUnavailable | None:
    """The exception as a ``ResourceUnavailable``, if that is what it is."""
    if isinstance(error, ResourceUnavailable):
        return error
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return ResourceUnavailable(str(error))
    return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for a misspelt name: the nearest known one, or the list of them."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return "known are: " + ", ".join(names) if names else "nothing is known here"
