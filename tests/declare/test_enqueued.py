"""Configurations to run first: what the space does not contain is refused with a hint."""

import pytest

from lightsearch.declare.enqueued import refused
from lightsearch.declare.space import Space
from lightsearch.declare.values import Value

SPACE = Space.model_validate(
    {
        "model": {
            "optimizer": {"choice": ["adam", "sgd"]},
            "momentum": {"float": [0.0, 0.9], "when": {"optimizer": "sgd"}},
            "widths": {"list": {"int": [8, 64], "step": 8}, "length": [1, 3]},
            "kernel": {"list": {"choice": [3, 5]}, "length": 2},
            "dropout": 0.1,
            "encoder.depth": {"int": [1, 4]},
        },
    }
)


def test_what_the_space_can_make_is_taken() -> None:
    whole = {"optimizer": "sgd", "momentum": 0, "widths.length": 2, "widths.0": 8, "widths.1": 64, "encoder.depth": 1}
    assert refused(SPACE, whole) == {}
    assert refused(SPACE, {"momentum": 0.5, "widths.2": 16, "kernel.1": 5}) == {}  # the rest is sampled


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"encoder.depth": 5}, "encoder.depth takes whole numbers from 1 to 4"),
        ({"encoder.depth": 2.0}, "encoder.depth takes whole numbers from 1 to 4"),
        ({"encoder.depth": True}, "encoder.depth takes whole numbers from 1 to 4"),
        ({"momentum": "high"}, "momentum takes numbers from 0 to 0.9"),
        ({"optimizer": "adma"}, "optimizer takes one of 'adam', 'sgd'"),
        ({"optimizr": "adam"}, 'did you mean "optimizer"?'),
        ({"optimizer": "adam", "momentum": 0.5}, "is sampled only when optimizer = 'sgd', and optimizer is 'adam'"),
        ({"dropout": 0.1}, "is the same in every trial"),
        ({"widths": 8}, "a list is enqueued as its parts: widths.length, widths.0"),
        ({"widths.first": 8}, "a list is enqueued as its parts"),
        ({"widths.length": 4}, "widths.length takes whole numbers from 1 to 3"),
        ({"widths.length": 2, "widths.2": 8}, "widths has 2 items here"),
        ({"widths.3": 8}, "widths has 3 items here"),
        ({"widths.0": 9}, "widths.0 takes whole numbers from 8 to 64 in steps of 8"),
        ({"kernel.0": True}, "kernel.0 takes one of 3, 5"),
        ({"kernel.length": 2}, "kernel always has 2 items"),
        ({"optimizer.0": "adam"}, "optimizer is not a list"),
    ],
)
def test_what_it_cannot_make_is_refused_with_a_hint(params: dict[str, Value], hint: str) -> None:
    (name,) = refused(SPACE, params)
    assert name == list(params)[-1]
    assert hint in refused(SPACE, params)[name]
