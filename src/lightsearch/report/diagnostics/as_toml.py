"""Values as the study file writes them."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, IntDistribution

from lightsearch.declare.toml_text import toml_value


def as_declaration(distribution: BaseDistribution, low: float, high: float) -> str:
    """A range as the study file writes it: ``int = [16, 1024], log = true``."""
    whole = isinstance(distribution, IntDistribution)
    step = getattr(distribution, "step", None)
    words = f"{'int' if whole else 'float'} = [{as_toml(low)}, {as_toml(high)}]"
    if getattr(distribution, "log", False):
        return f"{words}, log = true"
    return f"{words}, step = {as_toml(step)}" if step and not (whole and step == 1) else words


def as_toml(value: object) -> str:
    """A value, or a table in one line; numbers with 4 significant digits."""
    return toml_value(value, "{:.4g}".format)
