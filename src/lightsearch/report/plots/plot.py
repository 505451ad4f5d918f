"""What a plot is: data and layout of a Plotly figure, as plain JSON.

Colours are names, which the page replaces by those of its theme. Every text from outside goes through ``text``.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightsearch.report.facts.facts import Facts

COLOUR = "\ue000"
"""Marks the name of a colour; a character for private use, which no other text contains."""
MAX_LETTERS = 60
"""Longer texts are cut."""

Trace = dict[str, Any]
"""One trace of a Plotly figure: points, lines, bars."""


class Plot(NamedTuple):
    """One figure on the page."""

    alt: str
    """What a screen reader says."""
    data: list[Trace]
    layout: dict[str, Any]
    """Plotly's layout; the page adds fonts, margins and the theme."""
    height: int = 320
    """In pixels."""
    title: str = ""
    """Its name among the plots of a panel of which one is shown at a time."""
    webgl: bool = False
    """Whether Plotly cannot draw it without WebGL."""


class NotShown(Exception):
    """The study holds too little for a plot; the message is the reason, which the page shows."""


@dataclass(frozen=True)
class Panel:
    """One section of a page, with one plot or several."""

    id: str
    """The id of the section, and the class of its plots in ``page.css``."""
    title: str
    caption: str
    """What the plot shows and how to read it."""
    draw: Callable[..., list[Plot]]
    """Takes what the page is made from; raises ``NotShown`` with the reason."""
    objectives: str = "any"
    """Whether it is for a study with ``one`` objective, with ``several``, or with ``any`` number of them."""
    choose: str = ""
    """What a reader chooses if one of the plots is shown at a time; empty: all are shown."""
    half: bool = False
    """Whether it is half as wide as the page: it stands beside a neighbour that is half as wide, too."""

    def suits(self, facts: Facts) -> bool:
        """Whether the page has this panel."""
        return self.objectives in ("any", "several" if facts.multi_objective else "one")


def colour(name: str) -> str:
    """A colour by its name in ``page.css``."""
    return COLOUR + name.replace(" ", "-")


def text(value: object) -> str:
    """A text from outside, without anything that Plotly takes for markup or for a placeholder."""
    return html.escape(shorten(str(value), MAX_LETTERS)).replace("{", "&#123;").replace("$", "&#36;")


def shorten(words: str, letters: int) -> str:
    """The words, cut to this number of letters."""
    return words if len(words) <= letters else words[: letters - 1] + "…"


def packed(values: Sequence[float] | NDArray[Any], dtype: str = "f4") -> dict[str, str]:
    """Numbers in a form that Plotly reads without parsing: base64 of ``f4``, ``f8``, ``i2`` or ``i4``."""
    return {"dtype": dtype, "bdata": base64.b64encode(np.asarray(values, dtype=f"<{dtype}").tobytes()).decode()}
