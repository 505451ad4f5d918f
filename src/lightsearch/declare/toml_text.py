"""Values and keys as a study file writes them. tomlkit quotes and escapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tomlkit


def toml_value(value: Any, number: Callable[[float], str] = repr) -> str:
    """A value in one line: ``{ float = [1e-4, 1e-1], log = true }``. An object is written as the string of itself.

    Args:
        value: A boolean, a number, a string, a list or a table.
        number: Writes a real number.
    """
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(item, number)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item, number) for item in value) + "]"
    if isinstance(value, float):
        return number(value)
    return tomlkit.item(value if isinstance(value, bool | int) else str(value)).as_string()


def toml_key(name: str) -> str:
    """A key, in quotes if it needs them: ``"encoder.width"``."""
    return tomlkit.key(name).as_string()
