"""One thing that a study's trials say about the search."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that the next search should do differently, or that a reader of the results should know."""

    code: str
    """``others``, ``failures``, ``bound``, ``noise``, ``max-epochs``, ``pruner``, ``exhausted``, ``duplicates``,
    ``no-effect``, ``further-gain``."""
    text: str
    """The finding in a sentence, with its figures."""
    hint: str
    """What to write or to type; the exact words are between backticks."""

    def __str__(self) -> str:
        return f"{self.text} {self.hint}"
