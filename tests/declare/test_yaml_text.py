"""YAML of configurations reads back as it was written."""

from __future__ import annotations

from lightsearch.declare.yaml_text import dump_yaml, load_yaml


def test_a_text_that_looks_like_a_number_stays_a_text() -> None:
    value = {"commit": "12e5", "rate": "1e-3", "lr": 1e-3, "tiny": 1e-12, "size": "1.5", "switch": "on", "none": None}
    assert load_yaml(dump_yaml(value)) == value
    assert load_yaml("lr: 1e-3") == {"lr": 0.001}
