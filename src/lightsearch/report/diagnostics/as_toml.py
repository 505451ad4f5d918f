"""Values as the study file writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, IntDistribution

if TYPE_CHECKING:
    pass


def as_declaration(distribution: BaseDistribution, low: float, high: float) -> str:
    """A range as the study file writes it: ``int = [16, 1024], log = true``."""
    whole = isinstance(distribution, IntDistribution)
    step = getattr(distribution, "step", None)
    words = f"{'int' if whole else 'float'} = [{as_toml(low)}, {as_toml(high)}]"
    if getattr(distribution, "log", False):
        return f"{words}, log = true"
    return f"{words}, step = {as_toml(step)}" if step and not (whole and step == 1) else words


def as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)


def as_inline_table(values: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{name} = {as_toml(value)}" for name, value in values.items()) + " }"
