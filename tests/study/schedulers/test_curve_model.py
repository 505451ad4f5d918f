from __future__ import annotations

import numpy as np
import pytest

from lightsearch.study.schedulers.curve_model import CurveModel, Observations, Pairs

RNG = np.random.default_rng(0)


def curves(n_trials: int = 30, n_axes: int = 3) -> Observations:
    """Curves that rise the higher the nearer their trial is to the middle of the first axis."""
    configurations = RNG.random((n_trials, n_axes))
    trial = np.repeat(np.arange(n_trials), 6)
    time = np.tile(np.linspace(0, 1, 6), n_trials)
    height = -4 * np.square(configurations[:, 0] - 0.5)
    return Observations(configurations, trial, time, height[trial] * time - (1 - time))


def test_the_gradient_is_that_of_the_loss() -> None:
    model, observed = CurveModel(3), curves()
    pairs = Pairs.of(observed)
    theta = model._means + 0.2 * RNG.standard_normal(len(model._means))
    _, gradient = model._loss(theta, observed, pairs)
    for index in range(len(theta)):
        step = np.zeros_like(theta)
        step[index] = 1e-5
        slope = (model._loss(theta + step, observed, pairs)[0] - model._loss(theta - step, observed, pairs)[0]) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_the_ends_of_curves_are_predicted_from_their_beginnings_and_from_other_trials() -> None:
    observed = curves(40)
    late = (observed.trial < 10) & (observed.time > 0.5)  # of ten trials only the beginnings are known
    model = CurveModel(3)
    model.fit(observed.of(np.flatnonzero(~late)))
    model.condition(observed.of(np.flatnonzero(~late)))
    mean, deviation = model.predict(observed.configurations, np.arange(10), np.ones(10))
    true = -4 * np.square(observed.configurations[:10, 0] - 0.5)
    assert np.abs(mean - true).max() < 0.15
    assert (np.abs(mean - true) < 4 * deviation).all()


def test_what_is_far_from_all_trials_is_less_certain() -> None:
    observed = curves(20)
    corner = np.vstack([observed.configurations, [[1.0, 1.0, 1.0]], observed.configurations[:1]])
    model = CurveModel(3)
    model.condition(observed)
    _, deviation = model.predict(corner, np.array([20, 21, 0]), np.ones(3))
    assert deviation[0] > deviation[1] > deviation[2]


def test_further_observations_are_as_good_as_those_taken_at_once() -> None:
    observed = curves(20)
    first, others = observed.of(np.arange(100)), observed.of(np.arange(100, 120))
    extended, at_once = CurveModel(3), CurveModel(3)
    extended.condition(first)
    extended.extend(others)
    at_once.condition(observed)
    asked = (observed.configurations, np.arange(20), np.full(20, 0.9))
    assert extended.predict(*asked)[1] == pytest.approx(at_once.predict(*asked)[1], rel=1e-4)
    extended._mean = at_once._mean
    extended._weigh()
    assert extended.predict(*asked)[0] == pytest.approx(at_once.predict(*asked)[0], abs=1e-4)


def test_one_observation_and_one_axis_are_enough() -> None:
    model = CurveModel(1)
    observed = Observations(np.array([[0.5]]), np.array([0]), np.array([0.0]), np.array([-1.0]))
    model.fit(observed)
    model.condition(observed)
    mean, deviation = model.predict(np.array([[0.5], [0.1]]), np.array([0, 1]), np.array([1.0, 1.0]))
    assert np.isfinite(mean).all()
    assert (deviation > 0).all()
