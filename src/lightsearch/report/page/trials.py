"""What the page says of each trial when it is opened."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from lightsearch.credentials import without_secrets
from lightsearch.display.wording import describe_param, duration
from lightsearch.paths import trial_folder
from lightsearch.report.facts.endings import Standings, why_ended
from lightsearch.report.facts.facts import Facts
from lightsearch.report.facts.row import Row

LOG_LETTERS = 2_000
"""The end of a log that is shown."""
MAX_LOGS = 100
"""The number of trials with the end of their logs: the leading ones and the failed ones first."""


class Files(NamedTuple):
    """Where the files of trials are."""

    study: Path
    """The study's folder."""
    page: Path
    """The folder that the page is written to, from which links are relative."""


def page_trials(facts: Facts, epochs: pd.DataFrame, files: Files | None) -> list[dict[str, Any]]:
    """All trials as JSON.

    Args:
        facts: What is known of the study.
        epochs: What ``epoch_table`` returns.
        files: Where the trials' files are; None if they have none.
    """
    standings = Standings(facts)
    curves = dict(iter(epochs.dropna(subset=["value"]).groupby("number")))
    with_logs = _worth_a_log(facts)
    return [
        {
            "number": row.number,
            "kind": row.kind,
            "why": why_ended(facts, row, standings),
            "params": {name: describe_param(value) for name, value in row.trial.params.items()},
            "decisions": [f"epochs {after} to {until}: {reason}" for after, until, reason in row.decisions],
            "curve": _curve(curves.get(row.number), facts.first_epoch),
            "metrics": [(name, _number(value)) for name, value in (row.outcome.metrics if row.outcome else {}).items()],
            "about": [(name, str(value)) for name, value in _about(facts, row) if value not in (None, "")],
            "error": row.outcome.error.traceback if row.outcome and row.outcome.error else "",
            "log": _log(files, row.number) if files and row.number in with_logs else "",
            "files": list(_links(files, row.number)) if files else [],
        }
        for row in facts.rows
    ]


def _curve(epochs: pd.DataFrame | None, first: int) -> dict[str, list[float]]:
    """The trial's epochs, from 1, or the steps of a function, and the metric after each."""
    if epochs is None:
        return {"x": [], "y": []}
    finite = epochs[epochs["value"].map(math.isfinite)]
    return {"x": (finite["epoch"] + first).tolist(), "y": [float(f"{value:.6g}") for value in finite["value"]]}


def _number(value: float) -> str:
    return f"{value:.6g}"


def _about(facts: Facts, row: Row) -> Iterable[tuple[str, Any]]:
    outcome = row.outcome
    if outcome is not None:
        yield "best epoch", None if outcome.best_epoch is None else outcome.best_epoch + facts.first_epoch
        yield "epochs trained", outcome.epochs
        yield "seconds", round(outcome.seconds, 1)
        yield "CPU seconds", outcome.cpu_seconds
        yield "peak memory", outcome.memory_mb and f"{outcome.memory_mb:,.0f} MB"
        yield "peak GPU memory", outcome.gpu_memory_mb and f"{outcome.gpu_memory_mb:,.0f} MB"
        yield "seed", outcome.seed
        yield "device", outcome.device
        yield "attempts", outcome.attempt
        yield "values of its runs", ", ".join(_number(value) for value in outcome.run_values)
        if outcome.checkpoint and not facts.of_function:
            yield "train it again", f"lightsearch retrain --study {facts.name} --trial {row.number}"
    if row.started is not None:
        yield "started", f"{row.started:%Y-%m-%d %H:%M:%S} UTC"
        if row.ended is not None:
            yield (
                "ended",
                f"{row.ended:%Y-%m-%d %H:%M:%S} UTC, {duration((row.ended - row.started).total_seconds())} later",
            )


def _worth_a_log(facts: Facts) -> set[int]:
    """The trials whose logs are shown."""
    leading = [row.number for row in (facts.pareto_front or facts.ranked)]
    failed = [row.number for row in facts.rows if row.group == "failed"]
    others = [row.number for row in facts.rows]
    halves = leading[: MAX_LOGS // 2] + failed[: MAX_LOGS // 2]
    return set(list(dict.fromkeys([*halves, *others]))[:MAX_LOGS])


def _log(files: Files, number: int) -> str:
    """The end of a trial's log, from the beginning of a line."""
    try:
        with (trial_folder(files.study, number) / "log.txt").open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - 4 * LOG_LETTERS))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    shown = without_secrets(text)
    if size <= 4 * LOG_LETTERS and len(shown) <= LOG_LETTERS:
        return shown
    end = shown[-LOG_LETTERS:]
    return end.partition("\n")[2] or end


def _links(files: Files, number: int) -> Iterable[tuple[str, str]]:
    """The names of a trial's files, and their addresses relative to the page."""
    folder = trial_folder(files.study, number)
    if not folder.is_dir():
        return
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            address = Path(os.path.relpath(file, files.page)).as_posix()
            yield file.relative_to(folder).as_posix(), quote(address)
