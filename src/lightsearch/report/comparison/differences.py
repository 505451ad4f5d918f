"""What differs between the declarations of studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lightsearch.declare.toml_text import toml_value
from lightsearch.report.facts.facts import Facts
from lightsearch.report.readers import as_dict

ABSENT = "-"


def differences(studies: Sequence[Facts]) -> list[tuple[str, list[str]]]:
    """The keys whose values differ, in the order of the study files, with the value of each study as TOML."""
    declared = [dict(_flat("", {**facts.declared, **as_dict(facts.attrs.get("search"))})) for facts in studies]
    keys = dict.fromkeys(key for one in declared for key in one)
    rows = [(key, [one.get(key, ABSENT) for one in declared]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _flat(before: str, table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys of nested tables, joined by dots. A parameter of the space is one value."""
    for key, value in table.items():
        name = f"{before}{key}"
        if isinstance(value, dict) and value and not _is_distribution(value):
            yield from _flat(f"{name}.", value)
        elif value is not None:
            yield name, toml_value(value)


def _is_distribution(table: dict[str, Any]) -> bool:
    return bool({"int", "float", "choice"} & table.keys())
