"""Where the results of a study come from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lightsearch.display.wording import duration
from lightsearch.report.facts.facts import Facts
from lightsearch.report.readers import as_dict
from lightsearch.study import pruners
from lightsearch.study.widenings import describe, widenings

MAX_RUNS = 5
"""The number of runs that are listed."""


def provenance(facts: Facts) -> list[tuple[str, str]]:
    """Classes, data, seed, versions, devices and runs, as (name, value), without those that are unknown."""
    attrs, declared = facts.attrs, facts.declared
    search = as_dict(attrs.get("search"))
    devices = sorted({row.outcome.device for row in facts.rows if row.outcome and row.outcome.device})
    scheduler = as_dict(search.get("scheduler")).get("name")
    lines: list[tuple[str, Any]] = [
        ("study id", attrs.get("uid")),
        ("model", as_dict(declared.get("model")).get("class_path")),
        ("data", as_dict(declared.get("data")).get("class_path")),
        ("LightningCLI", as_dict(declared.get("config")).get("cli")),
        ("objective", declared.get("objective")),
        *(
            (f"data: {key}", value)
            for key, value in as_dict(attrs.get("data")).items()
            if isinstance(value, str | int | float)
        ),
        ("seed of the study and the split", declared.get("seed")),
        ("scheduler", scheduler),
        ("sampler", None if scheduler == "freeze_thaw" else as_dict(search.get("sampler")).get("name")),
        ("pruner", _pruner(facts, as_dict(search.get("pruner")).get("name")) if scheduler is None else None),
        ("device", ", ".join(str(one) for one in dict.fromkeys([attrs.get("device"), *devices]) if one)),
        *as_dict(attrs.get("versions")).items(),
        ("commit", attrs.get("commit")),
        *(("space widened", describe(widened)) for widened in widenings(attrs)),
        ("runs", _runs(facts.effort.runs)),
        ("packs", next((run["packing"] for run in reversed(facts.effort.runs) if "packing" in run), None)),
        ("evaluations on the test set", None if facts.of_function else facts.n_test_evaluations),
    ]
    return [(key, str(value)) for key, value in lines if value not in (None, "")]


def _pruner(facts: Facts, name: Any) -> Any:
    """The pruner's name; one that a study with several objectives could once name never pruned."""
    return "none" if name and facts.multi_objective and name not in pruners.FOR_SEVERAL else name


def _runs(runs: list[dict[str, Any]]) -> str:
    words = "; ".join(_run(run) for run in runs[-MAX_RUNS:])
    return words + (f" (the last {MAX_RUNS} of {len(runs)})" if len(runs) > MAX_RUNS else "")


def _run(run: dict[str, Any]) -> str:
    started = datetime.fromtimestamp(run.get("started", 0), UTC)
    return (
        f"{started:%Y-%m-%d %H:%M} UTC, {duration(run.get('seconds', 0))}, {run.get('workers', '?')} workers, "
        f"{run.get('ending', '?')}"
    )
