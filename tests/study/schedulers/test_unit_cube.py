from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightsearch.declare.space import Space
from lightsearch.study.schedulers.unit_cube import UnitCube

SPACES: list[dict[str, Any]] = [
    {"lr": {"float": [1e-4, 1e-1], "log": True}, "width": {"int": [16, 512], "log": True}},
    {"momentum": {"float": [0.0, 1.0], "step": 0.25}, "depth": {"int": [1, 9], "step": 2}, "one": {"int": [3, 3]}},
    {"batch": {"choice": [32, 64, 128]}, "bias": {"choice": [True, False]}, "act": {"choice": ["a", "b", "c", "d"]}},
    {
        "widths": {"list": {"int": [8, 64], "log": True}, "length": [1, 3]},
        "optimizer": {"choice": ["adam", "sgd", "lion"]},
        "momentum": {"float": [0.8, 0.99], "when": {"optimizer": "sgd"}},
    },
    {"fixed": 3},
]


@pytest.mark.parametrize("parameters", SPACES)
def test_a_point_is_decoded_to_parameters_of_the_space_and_back(parameters: dict[str, Any]) -> None:
    space = Space.model_validate({"model": parameters})
    cube, rng = UnitCube(space), np.random.default_rng(0)
    for point in cube.uniform(rng, 200):
        params = cube.decode(point)
        assert space.is_sampled(params)
        again = cube.decode(cube.encode(params))
        assert again.keys() == params.keys()
        for name, value in params.items():
            assert again[name] == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize("parameters", SPACES)
def test_rounded_points_are_those_of_the_parameters(parameters: dict[str, Any]) -> None:
    cube, rng = UnitCube(Space.model_validate({"model": parameters})), np.random.default_rng(1)
    points = cube.uniform(rng, 50)
    expected = np.array([cube.encode(cube.decode(point)) for point in points]).reshape(points.shape)
    assert np.allclose(cube.rounded(points), expected)


def test_every_value_of_a_range_with_steps_has_an_equal_part_of_its_axis() -> None:
    cube = UnitCube(Space.model_validate({"model": {"depth": {"int": [1, 4]}}}))
    drawn = [cube.decode(point)["depth"] for point in cube.uniform(np.random.default_rng(2), 4000)]
    assert all(900 < drawn.count(depth) < 1100 for depth in (1, 2, 3, 4))


def test_neighbours_differ_in_one_parameter_at_least_and_lie_in_the_cube() -> None:
    cube, rng = UnitCube(Space.model_validate({"model": SPACES[2] | SPACES[0]})), np.random.default_rng(3)
    points = cube.uniform(rng, 300)
    near = cube.near(rng, points, spread=0.3, keep=0.9)
    assert ((near >= 0) & (near <= 1)).all()
    assert (near != points).any(axis=1).all()
    kept = (near[:, -2:] == points[:, -2:]).mean()
    assert 0.7 < kept < 0.95
