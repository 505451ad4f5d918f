"""A picture in a notebook's cell that stays in one place."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console, RenderableType

WIDTH = 110
"""Characters per line."""

FRAME = "<pre style='white-space:pre;overflow-x:auto;line-height:normal;font-family:monospace'>{code}</pre>"


class NotebookLive:
    """The counterpart of ``rich.live.Live``, which needs ipywidgets in a notebook. The last picture stays."""

    def __init__(self) -> None:
        self._shown: Any = None

    def start(self) -> None:
        """Does nothing: the first update shows the picture."""

    def stop(self) -> None:
        """Does nothing: the last picture stays."""

    def update(self, renderable: RenderableType) -> None:
        """Shows the picture, in place of the one before."""
        from IPython.display import HTML, display

        screen = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False)
        screen.print(renderable)
        html = HTML(screen.export_html(inline_styles=True, code_format=FRAME))  # type: ignore[no-untyped-call]
        if self._shown is None:
            self._shown = display(html, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._shown.update(html)
