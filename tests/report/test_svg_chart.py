"""The small charts of a result's card."""

from __future__ import annotations

import pytest

from lightsearch.report.svg_axis import Axis, label
from lightsearch.report.svg_chart import chart, edge_of_front, without_far


def test_values_over_powers_of_ten_are_on_a_logarithmic_scale() -> None:
    axis = Axis.of([346, 34131, 55000], may_be_log=True)
    assert axis.ticks() == [1e3, 1e4]
    assert axis.share(1e4) - axis.share(1e3) == pytest.approx(axis.share(1e3) - axis.share(1e2), abs=0.35)
    assert not Axis.of([0, 34131], may_be_log=True).log  # 0 has no logarithm
    assert not Axis.of([346, 34131]).log


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis(0, 1), [0, 0.5, 1]),
        (Axis(0, 2, whole=True), [0, 1, 2]),
        (Axis(7, 7), [6.8, 7, 7.2]),
        (Axis(1e-9, 1, log=True), [1e-9, 1e-7, 1e-5, 1e-3, 1e-1]),
    ],
)
def test_an_axis_has_round_numbers(axis: Axis, ticks: list[float]) -> None:
    assert axis.ticks() == pytest.approx(ticks)
    assert all(0 <= axis.share(tick) <= 1 for tick in ticks)


def test_numbers_are_short() -> None:
    assert [label(value) for value in (0, 0.25, 2000, 20000, -1.5e6, 3e9)] == [
        "0",
        "0.25",
        "2000",
        "20k",
        "-1.5M",
        "3G",
    ]


def test_the_edge_of_a_front_never_passes_through_what_is_better() -> None:
    assert edge_of_front([(0.9, 50), (0.5, 10)], rightwards=True) == [(0.5, 10), (0.5, 50), (0.9, 50)]  # x up, y down
    assert edge_of_front([(2, 1), (1, 3)], rightwards=False) == [(1, 3), (2, 3), (2, 1)]  # both down
    assert edge_of_front([], rightwards=True) == []


def test_a_far_bad_value_is_drawn_at_the_edge() -> None:
    values = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1e6]
    drawn = chart(
        "loss", {"complete": list(enumerate(values))}, x_title="trial", y_range=without_far(values, maximize=False)
    )
    heights = [y for _, y in drawn.points["complete"]]
    assert heights[7] < heights[6] < heights[0]
    assert heights[0] - heights[6] > 10
