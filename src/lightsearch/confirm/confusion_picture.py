"""The confusion matrix as a picture."""

from __future__ import annotations

from xml.sax.saxutils import escape

PICTURE = "confusion.svg"
CELL, LABELS = 44, 96
"""Pixels of a cell's side, and of the space for the names at the left and at the top."""
INK, BLUE, RED = "#1f2933", (33, 102, 172), (178, 24, 43)
MAX_LETTERS = 9
"""Longer names are cut."""
MAX_HORIZONTAL = 5
"""Longer names are wider than a cell, and are written vertically above it."""


def confusion_svg(confusion: list[list[int]], names: list[str]) -> str:
    """The confusion matrix as an SVG picture: right answers in blue, mistakes in red.

    Each colour has a scale of its own, because the mistakes of a good model would not be visible beside the diagonal.

    Args:
        confusion: The number of samples by class (row) and by predicted class (column).
        names: The names of the classes.
    """
    n = len(confusion)
    size, centre = LABELS + n * CELL + 16, LABELS + n * CELL / 2
    most = {
        right: max([confusion[i][j] for i in range(n) for j in range(n) if (i == j) is right], default=0)
        for right in (False, True)
    }
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{size}" height="{size}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}" role="img" aria-label="Confusion matrix">',
        f'<rect width="{size}" height="{size}" fill="#ffffff"/>',
        f'<text x="{centre}" y="24" text-anchor="middle" font-weight="600">predicted class</text>',
        f'<text x="24" y="{centre}" text-anchor="middle" font-weight="600" transform="rotate(-90 24 {centre})">'
        "class</text>",
    ]
    for index, name in enumerate(names):
        parts += _labels(index, name)
    for i in range(n):
        for j in range(n):
            title = f"{escape(names[i])} predicted as {escape(names[j])}: {confusion[i][j]}"
            parts += _cell(i, j, confusion[i][j], most[i == j], title)
    return "\n".join([*parts, "</svg>", ""])


def _labels(index: int, name: str) -> list[str]:
    """A class's name above its column and beside its row."""
    middle = LABELS + index * CELL + CELL / 2
    text = escape(name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…")
    anchor = ' text-anchor="middle"'
    if len(name) > MAX_HORIZONTAL:
        anchor = f' text-anchor="start" transform="rotate(-90 {middle} {LABELS - 8})"'
    return [
        f'<text x="{middle}" y="{LABELS - 8}"{anchor}>{text}</text>',
        f'<text x="{LABELS - 8}" y="{middle + 5}" text-anchor="end">{text}</text>',
    ]


def _cell(row: int, column: int, count: int, most: int, title: str) -> list[str]:
    """A cell, as strong as its share of the largest count of its colour."""
    x, y = LABELS + column * CELL, LABELS + row * CELL
    share = count / most if count else 0.0
    fill = _mixed(BLUE if row == column else RED, 0.15 + 0.75 * share) if count else "#f5f7fa"
    parts = [
        f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="4" fill="{fill}">'
        f"<title>{title}</title></rect>"
    ]
    if count:
        ink = "#ffffff" if share > 0.5 else INK
        at = f'x="{x + CELL / 2 - 1}" y="{y + CELL / 2 + 4}" text-anchor="middle"'
        parts.append(f'<text {at} fill="{ink}">{count}</text>')
    return parts


def _mixed(colour: tuple[int, int, int], share: float) -> str:
    """The colour on white, with this share of it."""
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in colour)
