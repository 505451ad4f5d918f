"""Configurations to run first (``enqueue``): whether they are in the space."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lightsearch.declare.parameters import FixedParameter, ListParameter
from lightsearch.declare.space import Entry, Space
from lightsearch.errors import did_you_mean


def refused(space: Space, params: Mapping[str, object]) -> dict[str, str]:
    """The values of a configuration that cannot be enqueued.

    A configuration may be partial: missing parameters are sampled.

    Args:
        space: The study's space.
        params: Values by the names of the study's parameters.

    Returns:
        Names of refused parameters, each with a hint.
    """
    entries = {entry.name: entry for entry in space.entries}
    hints = {}
    for name, value in params.items():
        entry = entries.get(name) or entries.get(name.rpartition(".")[0])
        hint = did_you_mean(name, space.names) if entry is None else _hint(entry, name, value, params)
        if hint is not None:
            hints[name] = hint
    return hints


def _hint(entry: Entry, name: str, value: object, params: Mapping[str, object]) -> str | None:
    parameter = entry.parameter
    if isinstance(parameter, FixedParameter):
        return "is the same in every trial, as [space] declares; leave it out"
    for condition, wanted in (parameter.when or {}).items():
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        if condition in params and params[condition] not in values:
            asked = " or ".join(map(repr, values))
            return f"is sampled only when {condition} = {asked}, and {condition} is {params[condition]!r}; leave it out"
    if isinstance(parameter, ListParameter):
        return _hint_of_list(parameter, entry.name, name, value, params)
    if name != entry.name:
        return f"{entry.name} is not a list; write {entry.name}"
    return None if _contains(parameter, value) else f"{name} takes {parameter.takes}"


def _hint_of_list(
    parameter: ListParameter, outer: str, name: str, value: object, params: Mapping[str, object]
) -> str | None:
    least, most = parameter.lengths
    inner = name.removeprefix(outer).removeprefix(".")
    if inner == "length":
        if least == most:
            return f"{outer} always has {most} items; leave it out"
        fits = type(value) is int and least <= value <= most
        return None if fits else f"{name} takes whole numbers from {least} to {most}"
    if not re.fullmatch(r"0|[1-9]\d{0,8}", inner, re.ASCII):
        length = "" if least == most else f"{outer}.length, "
        return f"a list is enqueued as its parts: {length}{outer}.0, {outer}.1, ..."
    given = params.get(f"{outer}.length", most)
    count = min(given, most) if isinstance(given, int) else most
    if int(inner) >= count:
        return f"{outer} has {count} items here, from {outer}.0; leave it out"
    return None if _contains(parameter.item, value) else f"{name} takes {parameter.item.takes}"


def _contains(parameter: Any, value: object) -> bool:
    return isinstance(value, bool | int | float | str) and bool(parameter.contains(value))
