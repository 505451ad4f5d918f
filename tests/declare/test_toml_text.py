"""What is written as TOML is read as the same value."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from lightsearch.declare.toml_text import toml_key, toml_value


@pytest.mark.parametrize(
    "value",
    [True, 3, 1e-5, float("inf"), 'a "quoted" \\ path', "two\nlines", "é", [1, [2.5]], {"a.b": 1, "x y": {"c": [""]}}],
)
def test_a_value_is_read_as_it_was(value: Any) -> None:
    text = f"{toml_key('a.key')} = {toml_value(value)}"
    assert "\n" not in text
    assert tomllib.loads(text) == {"a.key": value}


def test_a_table_in_one_line() -> None:
    assert toml_value({"float": [0.25, 10], "log": True}, "{:.1f}".format) == "{ float = [0.2, 10], log = true }"
