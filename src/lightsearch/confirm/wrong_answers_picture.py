"""The surest wrong answers as a picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from PIL import Image

from lightsearch.confirm.wrong_answers import WrongAnswer

COLUMNS, SIDE, GAP, TEXT = 6, 96, 16, 38
"""Images in a row; pixels of an image's side, between images, and of the two lines below."""
INK, MUTED = "#1f2933", "#5d6671"
MAX_LETTERS = 14
"""Longer names of classes are cut."""


def wrong_answers_svg(answers: Sequence[WrongAnswer], names: Sequence[str]) -> str:
    """The images with their classes and the predicted ones, as an SVG picture.

    Args:
        answers: At least one.
        names: The names of the classes.
    """
    columns = min(COLUMNS, len(answers))
    rows = -(-len(answers) // COLUMNS)
    width, height = GAP + columns * (SIDE + GAP), GAP + rows * (SIDE + TEXT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Wrong answers">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for place, answer in enumerate(answers):
        x, y = GAP + place % COLUMNS * (SIDE + GAP), GAP + place // COLUMNS * (SIDE + TEXT + GAP)
        parts += _cell(x, y, answer, names)
    return "\n".join([*parts, "</svg>", ""])


def _cell(x: int, y: int, answer: WrongAnswer, names: Sequence[str]) -> list[str]:
    label, predicted = names[answer.label], names[answer.predicted]
    title = f"test sample {answer.number}: {label}, predicted as {predicted} ({answer.probability:.1%})"
    return [
        f'<image x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" style="image-rendering: pixelated" '
        f"href={quoteattr(_png(answer))}><title>{escape(title)}</title></image>",
        f'<text x="{x}" y="{y + SIDE + 16}" fill="{INK}">{escape(_short(label))}</text>',
        f'<text x="{x}" y="{y + SIDE + 32}" fill="{MUTED}">not {escape(_short(predicted))}, '
        f"{answer.probability:.0%}</text>",
    ]


def _short(name: str) -> str:
    return name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…"


def _png(answer: WrongAnswer) -> str:
    picture, file = Image.fromarray(answer.pixels), io.BytesIO()
    picture.thumbnail((SIDE, SIDE))  # larger ones would make the page heavy
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
