"""A picture in a notebook's cell that stays in its place."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console, RenderableType

WIDTH = 110
"""Characters of a line."""

FRAME = "<pre style='white-space:pre;overflow-x:auto;line-height:normal;font-family:monospace'>{code}</pre>"


class Picture:
    """Shown once, and then replaced: what ``rich.live.Live`` is on a terminal, which in a notebook needs ipywidgets.

    The last one stays.
    """

    def __init__(self) -> None:
        self._shown: Any = None

    def start(self) -> None:
        """Nothing is shown before the first update."""

    def stop(self) -> None:
        """What is shown stays."""

    def update(self, renderable: RenderableType) -> None:
        """Replaces what is shown."""
        from IPython.display import HTML, display

        screen = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False)
        screen.print(renderable)
        html = HTML(screen.export_html(inline_styles=True, code_format=FRAME))  # type: ignore[no-untyped-call]
        if self._shown is None:
            self._shown = display(html, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._shown.update(html)
