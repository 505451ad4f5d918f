"""The result for machines (JSON) and for a pull request or an issue (Markdown)."""

from __future__ import annotations

import dataclasses
import html
import math
import re
from typing import Any

from lightsearch.display.wording import duration
from lightsearch.report.facts import LEADERS, Facts, Row, provenance, show_param

SCHEMA = 1
"""Raised when a key of ``summary.json`` changes its meaning."""


def as_json(facts: Facts) -> dict[str, Any]:
    """Everything that the page says in figures, as plain JSON; None for what is not known."""
    headline, note = facts.headline
    epochs, at_most = facts.epochs
    return {
        "schema": SCHEMA,
        "study": facts.name,
        "made": facts.made.isoformat(timespec="seconds"),
        "metric": facts.metric,
        "direction": facts.direction,
        "headline": headline,
        "note": note,
        **_front(facts),
        "best": _entry(facts.best) if facts.best else None,
        "standard_error": facts.error,
        "n_val": facts.n_val,
        "leaders": [_entry(row) for row in facts.ranked[:LEADERS]],
        "counts": dict(facts.counts),
        "failures": [dataclasses.asdict(failure) for failure in facts.failures],
        "epochs": {"trained": epochs, "at_most": at_most},
        "wall_seconds": round(facts.wall_seconds, 1),
        "importances": [one._asdict() for one in facts.importances],
        "findings": [dataclasses.asdict(finding) for finding in facts.findings],
        "test_evaluations": facts.test_evaluations,
        "provenance": {key: facts.attrs[key] for key in ("data", "versions", "device", "commit", "uid", "fingerprint")
                       if key in facts.attrs},
    }  # fmt: skip


def as_markdown(facts: Facts) -> str:
    """A page of GitHub's Markdown; nothing from outside is markup in it."""
    headline, note = facts.headline
    lines = [f"## {_md(facts.name)}", "", f"**{_md(headline)}** {_md(note)}", ""]
    if shown := facts.front or facts.ranked[:LEADERS]:
        params = list(dict.fromkeys(name for row in shown for name in row.trial.params))
        head = ["trial", *(name for name, _ in facts.objectives), "epoch", *params]
        lines += [_line(head), "| ---: " * len(head) + "|"]
        for row in shown:
            epoch = row.outcome.best_epoch if row.outcome else None
            values = [show_param(row.trial.params[name]) if name in row.trial.params else "" for name in params]
            lines.append(_line([str(row.number), *facts.show_all(row), "" if epoch is None else str(epoch), *values]))
        lines.append("")
    if facts.findings:
        lines += ["### What to do next", ""]
        lines += [f"- {_md(finding.text)} {_md(finding.hint, code=True)}" for finding in facts.findings]
        lines.append("")
    if facts.failures:
        lines += ["### Failures", ""]
        lines += [f"- {one.count} {_md(one.kind)}: {_md(one.message or one.meaning)}" for one in facts.failures]
        lines.append("")
    epochs, at_most = facts.epochs
    counts = ", ".join(f"{count:,} {group}" for group, count in facts.counts.items()) or "no trials"
    saved = f", {1 - epochs / at_most:.0%} of {at_most:,} saved" if at_most else ""
    lines.append(f"{counts}; {epochs:,} epochs trained{saved}; {duration(facts.wall_seconds)} of searching.")
    lines += ["", "<details><summary>Provenance</summary>", "", _line(["", ""]), "| --- | --- |"]
    lines += [_line([key, value]) for key, value in provenance(facts)]
    return "\n".join([*lines, "", "</details>", ""])


def _front(facts: Facts) -> dict[str, Any]:
    """What there is of several objectives besides; everything else is by the first of them."""
    if not facts.multi_objective:
        return {}
    names = [name for name, _ in facts.objectives]
    return {
        "objectives": [{"name": name, "direction": direction} for name, direction in facts.objectives],
        "front": [{**_entry(row), "values": dict(zip(names, row.values, strict=True))} for row in facts.front],
    }


def _entry(row: Row) -> dict[str, Any]:
    told = row.outcome
    return {
        "number": row.number,
        "value": row.value,
        "params": {name: value if _is_json(value) else str(value) for name, value in row.trial.params.items()},
        "metrics": {name: value for name, value in told.metrics.items() if math.isfinite(value)} if told else {},
        "best_epoch": told.best_epoch if told else None,
        "epochs": told.epochs if told else None,
        "seed": told.seed if told else None,
        "seconds": told.seconds if told else None,
        "checkpoint": told.checkpoint if told else None,
    }


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(_md(cell) for cell in cells) + " |"


def _md(words: str, *, code: bool = False) -> str:
    """Text in which nothing is markup; with ``code``, what stands between backticks stays code."""
    flat = " ".join(words.split())
    if code and flat.count("`") % 2 == 0:
        return "".join(f"`{part}`" if i % 2 else _escape(part) for i, part in enumerate(flat.split("`")))
    return _escape(flat)


def _escape(words: str) -> str:
    return re.sub(r"([\\`*_\[\]|~#@])", r"\\\1", html.escape(words, quote=False))
