"""The chart of the page on search efficiency, from measured figures.

    python docs/made/regret_chart.py

reads docs/assets/search-efficiency.json and writes docs/assets/search-efficiency.svg.
"""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path

ASSETS = Path(__file__).parents[1] / "assets"
LEFT, TOP, WIDTH, HEIGHT, LABELS = 50, 40, 470, 300, 190
"""The margins, the size of the plot, and the width of the labels at its right, in pixels."""

HIGHEST = 0.9
"""The regret at the upper edge."""

APART = 15
"""The least distance of two labels, in pixels."""

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 14px; font-weight: 600 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  polyline { fill: none; stroke: #8c959f; stroke-width: 1.5 }
  .ours { stroke: #3f51b5; stroke-width: 3 }
  text.ours { stroke: none; fill: #3f51b5; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .grid { stroke: #30363d } polyline { stroke: #6e7681 }
    .ours { stroke: #8c9eff } text.ours { fill: #8c9eff }
  }
"""


def svg(title: str, budgets: list[float], lines: dict[str, list[float]]) -> str:
    """A line per method: mean regret by the epochs trained, which are on a logarithmic axis.

    Args:
        title: The title.
        budgets: Full trainings.
        lines: Regrets at the budgets, by what the line is called; the first is ours.
    """
    first, last = math.log(budgets[0]), math.log(budgets[-1])
    across = [LEFT + WIDTH * (math.log(budget) - first) / (last - first) for budget in budgets]
    down = {name: [TOP + HEIGHT * (1 - one / HIGHEST) for one in regrets] for name, regrets in lines.items()}
    size = f"{LEFT + WIDTH + LABELS} {TOP + HEIGHT + 70}"
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(title)}</text>',
    ]
    for regret in (0.0, 0.2, 0.4, 0.6, 0.8):
        y = TOP + HEIGHT * (1 - regret / HIGHEST)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{regret:.1f}</text>')
    for x, budget in zip(across, budgets, strict=True):
        drawn.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 38}" text-anchor="middle">{budget:g}</text>')
    caption = "epochs trained by all trials, in full trainings"
    drawn.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 60}" text-anchor="middle">{caption}</text>')
    for name, heights in reversed(down.items()):  # ours last, above the others
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, heights, strict=True))
        drawn.append(f'<polyline{_mark(name, lines)} points="{points}"/>')
    for name, y in _apart({name: heights[-1] for name, heights in down.items()}).items():
        drawn.append(f'<text{_mark(name, lines)} x="{LEFT + WIDTH + 10}" y="{y + 4:.1f}">{escape(name)}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"


def _mark(name: str, lines: dict[str, list[float]]) -> str:
    return ' class="ours"' if name == next(iter(lines)) else ""


def _apart(heights: dict[str, float]) -> dict[str, float]:
    """Heights of labels that do not overlap: from the lowest line up, each as near to its own as it can be."""
    found: dict[str, float] = {}
    below = math.inf
    for name, height in sorted(heights.items(), key=lambda one: -one[1]):
        found[name] = below = min(height, below - APART)
    return found


def main() -> None:
    """Writes the chart."""
    figures = json.loads((ASSETS / "search-efficiency.json").read_text(encoding="utf-8"))["chart"]
    drawn = svg(figures["title"], figures["budgets"], figures["lines"])
    (ASSETS / "search-efficiency.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
