"""The public names of the package, for mkdocstrings."""

from __future__ import annotations

import lightsearch

FURTHER = (
    "lightsearch.confirm.test_uses.Evaluation",
    "lightsearch.confirm.confirmation.Confirmation",
    "lightsearch.confirm.record.Final",
    "lightsearch.data.ImageData",
)
"""What the public names return or take."""


def markdown() -> str:
    """A directive per name, the functions first."""
    names = sorted(lightsearch.__all__, key=lambda name: (name != "search", name[0].isupper(), name))
    return "\n\n".join(f"::: {path}" for path in [*(f"lightsearch.{name}" for name in names), *FURTHER])
