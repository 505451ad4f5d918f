"""Sections of a page with their plots drawn, and numbered in the order of the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from lightsearch.report.plots.plot import NotShown, Panel, Plot


class Figure(NamedTuple):
    """A plot with its number in the page's data, from 0."""

    number: int
    plot: Plot


@dataclass(frozen=True)
class DrawnPanel:
    """A panel with its plots, or with the reason why it has none."""

    panel: Panel
    figures: list[Figure]
    missing: str = ""


def drawn(panels: Iterable[Panel], *arguments: Any) -> list[DrawnPanel]:
    """The panels with their plots.

    Args:
        panels: The panels, in the order of the page.
        arguments: What each panel's ``draw`` takes.
    """
    found: list[DrawnPanel] = []
    number = 0
    for panel in panels:
        try:
            plots = panel.draw(*arguments)
        except NotShown as reason:
            found.append(DrawnPanel(panel, [], str(reason)))
            continue
        found.append(DrawnPanel(panel, [Figure(number + i, plot) for i, plot in enumerate(plots)]))
        number += len(plots)
    return found


def figures(panels: Iterable[DrawnPanel]) -> list[dict[str, Any]]:
    """All plots as the page's data has them, by their numbers."""
    plots = [figure.plot for one in panels for figure in one.figures]
    return [{"data": plot.data, "layout": plot.layout} for plot in plots]
