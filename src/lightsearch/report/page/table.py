"""The table of all trials on the page, which the page's script sorts and draws."""

from __future__ import annotations

import math
from typing import Any

from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row
from lightsearch.study.epoch_values import curve_of


def page_table(facts: Facts) -> dict[str, Any]:
    """The table as JSON.

    Returns:
        ``head``: name of each column, and whether it holds numbers; ``rows``: the cells, numbers as numbers; ``share``:
        whether the metric, column 2, is shown in percent; ``best``: the numbers of the trials to mark.
    """
    params = list(facts.distributions)
    columns = (
        "trial",
        "ended as",
        *(name for name, _ in facts.objectives),
        *(["std"] if facts.repeats else []),
        "best epoch",
        "epochs",
        "stopped by",
        "seconds",
        *params,
        "seed",
    )
    texts = {"ended as", "stopped by", *(name for name in params if _is_text(facts, name))}
    return {
        "head": [{"name": name, "number": name not in texts} for name in columns],
        "rows": [_cells(facts, row, params) for row in facts.rows],
        "share": facts.is_share,
        "best": [row.number for row in facts.pareto_front or facts.ranked[:1]],
    }


def _is_text(facts: Facts, name: str) -> bool:
    known = [row.trial.params[name] for row in facts.rows if name in row.trial.params]
    return not all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def _cells(facts: Facts, row: Row, params: list[str]) -> list[Any]:
    outcome = row.outcome
    return [
        row.number,
        row.kind,
        row.value if row.value is not None and math.isfinite(row.value) else None,
        *_further_objectives(facts, row),
        *([None if row.std is None else float(f"{row.std:.3g}")] if facts.repeats else []),
        None if outcome is None or outcome.best_epoch is None else outcome.best_epoch + facts.first_epoch,
        outcome.epochs if outcome else len(curve_of(row.trial)),
        outcome.stop_reason if outcome else "",
        outcome and round(outcome.seconds, 1),
        *(_param(row.trial.params[name]) if name in row.trial.params else None for name in params),
        outcome and outcome.seed,
    ]


def _further_objectives(facts: Facts, row: Row) -> list[float | None]:
    """A trial's objectives after the first; None where the trial is not complete."""
    n = len(facts.objectives) - 1
    values = row.values[1:] if row.group == "complete" else [math.nan] * n
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def _param(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else str(value)
