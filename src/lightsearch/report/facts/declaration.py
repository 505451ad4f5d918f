"""The declaration of a study as a study file writes it."""

from __future__ import annotations

from typing import Any

import tomlkit

from lightsearch.report.facts.facts import Facts
from lightsearch.report.readers import as_dict


def declaration(facts: Facts) -> str:
    """What the study stores of its study file, and how it was searched, as TOML; empty for one of another program."""
    stored = _without_none({**facts.declared, **as_dict(facts.attrs.get("search"))})
    return tomlkit.dumps(stored) if stored else ""


def _without_none(value: Any) -> Any:
    """The same without what is not given, which TOML cannot write."""
    if isinstance(value, dict):
        return {str(key): _without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_none(one) for one in value if one is not None]
    return value
