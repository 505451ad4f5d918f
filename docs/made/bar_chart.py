"""The bar chart of the README, from measured figures.

    python docs/made/bar_chart.py

reads docs/assets/throughput.toml and writes docs/assets/throughput.svg.
"""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

ASSETS = Path(__file__).parents[1] / "assets"
LABELS, BARS, ROW = 230, 430, 34
"""Widths of the labels and of the longest bar, and the height of a row, in pixels."""

STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  rect { fill: #afb8c1 }
  .ours { fill: #3f51b5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } rect { fill: #57606a } .ours { fill: #8c9eff }
  }
"""


def svg(figures: dict[str, object]) -> str:
    """A horizontal bar per entry of ``figures["bars"]``, as long as its trials per hour."""
    bars = figures["bars"]
    assert isinstance(bars, list)
    rates = [3600 * bar["trials"] / bar["seconds"] for bar in bars]
    height = ROW * (len(bars) + 1) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABELS + BARS + 80} {height}" role="img">',
        f"<title>{escape(str(figures['title']))}</title><style>{STYLE}</style>",
        f'<text class="title" x="0" y="20">{escape(str(figures["title"]))}</text>',
    ]
    for row, (bar, rate) in enumerate(zip(bars, rates, strict=True), start=1):
        top, width = ROW * row, max(2, round(BARS * rate / max(rates)))
        ours = ' class="ours"' if bar["label"].startswith("lightsearch") else ""
        lines += [
            f'<text x="{LABELS - 10}" y="{top + 19}" text-anchor="end">{escape(bar["label"])}</text>',
            f'<rect{ours} x="{LABELS}" y="{top + 3}" width="{width}" height="{ROW - 12}" rx="3"/>',
            f'<text x="{LABELS + width + 8}" y="{top + 19}">{rate:,.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def main() -> None:
    """Writes the chart."""
    figures = tomllib.loads((ASSETS / "throughput.toml").read_text(encoding="utf-8"))
    (ASSETS / "throughput.svg").write_text(svg(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
