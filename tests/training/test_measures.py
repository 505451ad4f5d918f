"""What is measured of a model: repeated, with its spread, on one thread, and while others stand still."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest
import torch

from lightsearch.declare.sections import Constraints
from lightsearch.training import measures


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands at a number of seconds until somebody moves it."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_the_median_and_the_interquartile_range_of_the_passes(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setattr(measures, "SECONDS", 0.0)
    durations = [1.0] * measures.WARM_UP + [float(number) for number in range(1, measures.PASSES + 1)]

    def once() -> None:
        clock[0] += durations.pop(0) / 1e3

    value, spread = measures.time_passes(once)
    assert not durations
    assert value == pytest.approx(statistics.median(range(1, measures.PASSES + 1)))
    assert spread == pytest.approx((measures.PASSES - 1) / 2)


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, 1.0), (0.0, 5.0)], ids=["enough others", "too few others"])
def test_a_pass_that_lost_its_core_does_not_count(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], seconds: float, expected: float
) -> None:
    monkeypatch.setattr(measures, "SECONDS", seconds)
    switches, passes = [0], [0]
    monkeypatch.setattr(measures, "_switches", lambda: switches[0])

    def once() -> None:
        passes[0] += 1
        switches[0] += passes[0] % 2
        clock[0] += 0.009 if passes[0] % 2 else 0.001

    value, spread = measures.time_passes(once)
    assert value == pytest.approx(expected)
    assert spread == pytest.approx(0.0 if seconds else 8.0)


class Watched(torch.nn.Module):
    """Notes in which circumstances it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, bool, bool]] = set()
        self.example_input_array = torch.zeros(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.add((torch.get_num_threads(), self.training, torch.is_inference_mode_enabled()))
        return x


def test_a_latency_is_that_of_one_thread_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "SECONDS", 0.0)
    model, before = Watched(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = measures.measure(["parameters", "latency_ms"], model, None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert model.seen == {(1, False, True)}
    assert model.training
    assert list(found) == ["parameters", "latency_ms", "latency_ms_spread"]
    assert found["parameters"] == 0
    assert found["latency_ms"] > 0
    assert found["latency_ms_spread"] >= 0


@pytest.mark.parametrize(
    ("latency", "spread", "excess"),
    [(1.5, 0.25, -0.5), (2.125, 0.25, 0.0), (2.25, 0.25, 0.0), (2.5, 0.25, 0.25), (2.5, 0.0, 0.5), (1.5, 9.0, -0.5)],
)
def test_what_is_above_a_limit_by_less_than_its_spread_is_equal_to_it(
    latency: float, spread: float, excess: float
) -> None:
    found: dict[str, Any] = {"latency_ms": latency, "latency_ms_spread": spread, "parameters": 12.0}
    assert Constraints(latency_ms=2.0).exceeded(found) == {"latency_ms": excess}
    assert Constraints(parameters=10).exceeded(found) == {"parameters": 2.0}
