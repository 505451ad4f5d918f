"""What differs between two declarations, in lines."""

from __future__ import annotations

from typing import Any

from lightsearch.study.origin import outcome_of as outcome_of


def differences(before: Any, after: Any, field: str = "") -> list[str]:
    """What differs between two JSON values, a line each: ``trainer.max_epochs: 30 in the study, 10 in the file``."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        prefix = f"{field}." if field else ""
        return [line for key in keys for line in differences(before.get(key), after.get(key), f"{prefix}{key}")]
    if before == after or (before != before and after != after):  # NaN is what it was
        return []
    words = ["nothing" if value is None else repr(value) for value in (before, after)]
    return [f"{field}: {words[0]} in the study, {words[1]} in the file"]
