"""The result for machines (JSON) and for a pull request or an issue (Markdown)."""

from __future__ import annotations

import dataclasses
import html
import math
import re
from typing import Any

from lightsearch.display.wording import describe_param, duration
from lightsearch.report.facts.facts import MAX_LEADERS, Facts
from lightsearch.report.facts.headline import headline
from lightsearch.report.facts.provenance import provenance
from lightsearch.report.facts.row import Row
from lightsearch.study.widenings import widenings

SCHEMA = 1
"""Raised when a key of ``summary.json`` changes its meaning."""


def as_json(facts: Facts) -> dict[str, Any]:
    """The figures of the page as plain JSON; None for what is not known."""
    result = headline(facts)
    return {
        "schema": SCHEMA,
        "study": facts.name,
        "made": facts.made.isoformat(timespec="seconds"),
        "metric": facts.metric,
        "direction": facts.direction,
        "headline": result.sentence,
        "note": result.note,
        **_pareto_front(facts),
        "best": _entry(facts.best) if facts.best else None,
        "standard_error": facts.error,
        "n_val": facts.n_val,
        "leaders": [_entry(row) for row in facts.ranked[:MAX_LEADERS]],
        "counts": dict(facts.counts),
        "failures": [dataclasses.asdict(failure) for failure in facts.failures],
        "epochs": {"trained": facts.effort.epochs, "at_most": facts.effort.max_epochs},
        "wall_seconds": round(facts.effort.seconds, 1),
        "importances": [one._asdict() for one in facts.importances],
        "findings": [dataclasses.asdict(finding) for finding in facts.findings],
        "test_evaluations": facts.n_test_evaluations,
        "widened": widenings(facts.attrs),
        "provenance": {key: facts.attrs[key] for key in ("data", "versions", "device", "commit", "uid", "fingerprint")
                       if key in facts.attrs},
    }  # fmt: skip


def as_markdown(facts: Facts) -> str:
    """A page of GitHub's Markdown, in which no text from outside is markup."""
    result = headline(facts)
    lines = [f"## {_md(facts.name)}", "", f"**{_md(result.sentence)}** {_md(result.note)}", ""]
    if facts.leaders:
        lines += [*_leaders(facts), ""]
    if facts.findings:
        lines += ["### What to do next", ""]
        lines += [f"- {_md(finding.text)} {_md(finding.hint, code=True)}" for finding in facts.findings]
        lines.append("")
    if facts.failures:
        lines += ["### Failures", ""]
        lines += [f"- {one.count} {_md(one.kind)}: {_md(one.message or one.meaning)}" for one in facts.failures]
        lines.append("")
    lines.append(_effort(facts))
    lines += ["", "<details><summary>Provenance</summary>", "", _line(["", ""]), "| --- | --- |"]
    lines += [_line([key, value]) for key, value in provenance(facts)]
    return "\n".join([*lines, "", "</details>", ""])


def _leaders(facts: Facts) -> list[str]:
    params = list(dict.fromkeys(name for row in facts.leaders for name in row.trial.params))
    std = ["std"] if facts.repeats else []
    head = ["trial", *(name for name, _ in facts.objectives), *std, "best epoch", *params]
    lines = [_line(head), "| ---: " * len(head) + "|"]
    for row in facts.leaders:
        epoch = row.outcome.best_epoch if row.outcome else None
        values = [describe_param(row.trial.params[name]) if name in row.trial.params else "" for name in params]
        spread = ["" if row.std is None else f"{row.std:.2g}" for _ in std]
        epochs = "" if epoch is None else str(epoch + facts.first_epoch)
        lines.append(_line([str(row.number), *facts.show_all(row), *spread, epochs, *values]))
    return lines


def _effort(facts: Facts) -> str:
    counts = ", ".join(f"{count:,} {group}" for group, count in facts.counts.items()) or "no trials"
    trained, at_most = facts.effort.epochs, facts.effort.max_epochs
    saved = f", {1 - trained / at_most:.0%} of {at_most:,} saved" if at_most else ""
    return f"{counts}; {trained:,} epochs trained{saved}; {duration(facts.effort.seconds)} of searching."


def _pareto_front(facts: Facts) -> dict[str, Any]:
    """The objectives and the Pareto front, if there are several; all other entries are by the first objective."""
    if not facts.multi_objective:
        return {}
    names = [name for name, _ in facts.objectives]
    return {
        "objectives": [{"name": name, "direction": direction} for name, direction in facts.objectives],
        "front": [{**_entry(row), "values": dict(zip(names, row.values, strict=True))} for row in facts.pareto_front],
    }


def _entry(row: Row) -> dict[str, Any]:
    outcome = row.outcome
    metrics = outcome.metrics if outcome else {}
    return {
        "number": row.number,
        "value": row.value,
        **({} if row.std is None else {"std": row.std}),
        "params": {name: value if _is_json(value) else str(value) for name, value in row.trial.params.items()},
        "metrics": {name: value for name, value in metrics.items() if math.isfinite(value)},
        "best_epoch": outcome.best_epoch if outcome else None,
        "epochs": outcome.epochs if outcome else None,
        "seed": outcome.seed if outcome else None,
        "seconds": outcome.seconds if outcome else None,
        "checkpoint": outcome.checkpoint if outcome else None,
    }


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(_md(cell) for cell in cells) + " |"


def _md(words: str, *, code: bool = False) -> str:
    """Text in which nothing is markup; with ``code``, words between backticks stay code."""
    flat = " ".join(words.split())
    if code and flat.count("`") % 2 == 0:
        return "".join(f"`{part}`" if i % 2 else _escape(part) for i, part in enumerate(flat.split("`")))
    return _escape(flat)


def _escape(words: str) -> str:
    """Escapes what could be markup. An underscore between letters or digits is none."""
    return re.sub(r"([\\`*\[\]|~#@]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", html.escape(words, quote=False))
