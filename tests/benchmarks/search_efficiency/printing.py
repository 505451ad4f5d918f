"""What the benchmark prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.benchmarks.search_efficiency.accounting import BUDGETS, Summary

WIDTH = 24


def table_of(summaries: Mapping[str, Summary], budgets: Sequence[int] = BUDGETS) -> str:
    """Mean regrets and standard errors, one line per method."""
    head = "method".ljust(WIDTH) + "".join(f"{budget:>16}" for budget in budgets) + f"{'n':>8}"
    lines = ["normalised regret (standard error) after full trainings' epochs", head]
    for name, summary in summaries.items():
        errors = summary.se or [float("nan")] * len(budgets)
        cells = (f"{mean:>8.3f} ({se:.3f})" for mean, se in zip(summary.mean, errors, strict=True))
        lines.append(name.ljust(WIDTH) + "".join(cells) + f"{summary.n:>8}")
    return "\n".join(lines)


def table_of_slowdowns(workers: int, ratios: Mapping[str, list[float]], budgets: Sequence[int] = BUDGETS) -> str:
    """Epochs that several workers need for the regret of one, one line per method."""
    lines = [f"epochs of {workers} workers, relative to those of 1, to its mean regret at"]
    lines.append("method".ljust(WIDTH) + "".join(f"{budget:>16}" for budget in budgets))
    for name, found in ratios.items():
        lines.append(name.ljust(WIDTH) + "".join(f"{ratio:>16.2f}" for ratio in found))
    return "\n".join(lines)
