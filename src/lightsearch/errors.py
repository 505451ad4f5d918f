"""What a user did that lightsearch cannot do, said in one line each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """One thing to mend: where it is, what was given, and what to do about it."""

    field: str
    value: object
    mend: str

    def __str__(self) -> str:
        text = repr(self.value)
        return f"{self.field} = {text if len(text) <= 80 else text[:77] + '...'}: {self.mend}"


class UserError(Exception):
    """A user's mistake: printed line by line without a traceback, exit status 2.

    Args:
        mistakes: What is wrong, one line each.
    """

    def __init__(self, *mistakes: Mistake | str) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(str(mistake) for mistake in mistakes))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The mend for a misspelt name: the nearest known one, or the list of them."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return "known are: " + ", ".join(names) if names else "nothing is known here"
