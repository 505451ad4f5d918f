"""The rule that prunes with several objectives, on fronts made by hand and by chance."""

from __future__ import annotations

import numpy as np
import pytest

from lightsearch.study.dominated import Point, has_fallen_behind

BOTH = [True, True]
SIZE = [True, False]
"""The second objective is measured."""


def points(*costs: tuple[float, ...], spreads: tuple[float, ...] | None = None) -> list[Point]:
    return [Point(one, spreads or (0.0,) * len(one)) for one in costs]


def behind(own: tuple[float, ...], others: list[Point], logged: list[bool], margin: float = 0.0) -> bool:
    (point,) = points(own)
    return has_fallen_behind(point, others, logged, margin)


def test_behind_the_layers_that_hold_half_of_the_others() -> None:
    front = points((0, 3), (1, 2), (2, 1), (3, 0))
    second = points((1, 4), (2, 3), (3, 2), (4, 1))
    assert not behind((1.5, 1.5), front, BOTH)  # on the front
    assert behind((2.5, 2.5), front, BOTH)  # behind two of it, and the layer holds all
    assert behind((2.5, 3.5), [*front, *second], BOTH)
    assert not behind((2.5, 2.5), [*front, *points((9, 9), (8, 8), (7, 7), (6, 6), (5, 5))], BOTH)  # ahead of five of 9
    assert not behind((2.5, 1.5), front, BOTH)  # a single one dominates it


def test_with_one_objective_it_is_the_median_rule() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.normal(size=rng.choice([5, 7, 9, 11]))  # between the two middle ones of an even number both hold
        own = rng.normal()
        assert behind((own,), points(*((value,) for value in values)), [True]) == bool(own > np.median(values))


def test_a_measured_objective_needs_no_margin_and_equal_sizes_compare() -> None:
    small = points((0.10, 500), (0.12, 500), (0.30, 400), (0.40, 400))
    assert behind((0.50, 500), small, SIZE, margin=1.0)  # equal in size, and far behind in the error
    assert not behind((0.50, 399), small, SIZE)  # the smallest of all
    assert not behind((0.50, 400), small, BOTH)  # were the size logged, no trial would be better in both
    assert not behind((0.13, 500), small, SIZE, margin=1.0)


def test_the_margin_is_a_share_of_the_interquartile_range() -> None:
    others = points((0.0, 0.0), (0.1, 0.1), (0.9, 0.9), (1.0, 1.0))
    own = (0.5, 0.5)  # the quartiles are 0.1 and 0.9
    assert behind(own, others, BOTH, margin=0.49)
    assert not behind(own, others, BOTH, margin=0.51)
    diverged = points((0.0, 0.0), (0.05, 0.05), (0.1, 0.1), (0.9, 0.9), (1e300, 1e300))
    assert behind(own, diverged, BOTH, margin=0.3), "one trial that diverges does not decide"


def test_spreads_of_latencies_are_equality() -> None:
    others = points((0.0, 1.0), (0.1, 1.0), spreads=(0.0, 0.3))
    slower, faster = Point((0.5, 1.2), (0.0, 0.1)), Point((0.5, 0.8), (0.0, 0.1))
    assert has_fallen_behind(slower, others, SIZE, 0.0)
    assert has_fallen_behind(faster, others, SIZE, 0.0), "0.8 and 1.0 are equal with a spread of 0.3"
    assert not has_fallen_behind(Point((0.5, 0.6), (0.0, 0.1)), others, SIZE, 0.0)


def test_few_others_say_nothing() -> None:
    assert not behind((1.0, 1.0), [], BOTH)
    assert not behind((1.0, 1.0), points((0.0, 0.0)), BOTH)
    assert behind((1.0, 1.0), points((0.0, 0.0), (0.0, 0.0)), BOTH)


def random_case(rng: np.random.Generator) -> tuple[Point, list[Point], list[bool], float]:
    """Trials with many equal values, some of them measured with spreads."""
    n_logged, n_measured = rng.integers(1, 4), rng.integers(0, 3)
    logged = [True] * n_logged + [False] * n_measured
    costs = rng.integers(0, 8, size=(rng.integers(2, 40), len(logged))).astype(float)
    spreads = np.where(logged, 0.0, rng.choice([0.0, 0.5, 1.5], size=costs.shape))
    made = [Point(cost.tolist(), spread.tolist()) for cost, spread in zip(costs, spreads, strict=True)]
    return made[0], made[1:], logged, float(rng.choice([0.0, 0.1, 0.5]))


def dominates(one: Point, other: Point, logged: list[bool]) -> bool:
    """By the definition, without a margin."""
    pairs = zip(one.costs, other.costs, one.spreads, other.spreads, logged, strict=True)
    return all(mine < its if is_logged else mine <= its + max(a, b) for mine, its, a, b, is_logged in pairs)


@pytest.mark.parametrize("seed", range(5))
def test_properties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fallen = 0
    for _ in range(200):
        own, others, logged, margin = random_case(rng)
        found = has_fallen_behind(own, others, logged, margin)
        fallen += found
        if found:
            assert sum(dominates(other, own, logged) for other in others) >= 2, "only a dominated trial is pruned"
        shuffled = [others[place] for place in rng.permutation(len(others))]
        assert has_fallen_behind(own, shuffled, logged, margin) == found
        factor = np.where(logged, 2.0 ** rng.integers(-9, 9, size=len(logged)), 1.0)  # exact in floating point
        scaled = [Point((np.array(one.costs) * factor).tolist(), one.spreads) for one in [own, *others]]
        assert has_fallen_behind(scaled[0], scaled[1:], logged, margin) == found, "units do not decide"
        better = Point([cost - 1 for cost in own.costs], own.spreads)
        assert found or not has_fallen_behind(better, others, logged, 0.0) or margin > 0, "a better trial is safer"
    assert 20 < fallen < 180


def test_layers_are_those_of_peeling() -> None:
    """The number of a layer, as the rule finds it, is how often the front before it has to be taken away."""
    rng = np.random.default_rng(7)
    for _ in range(100):
        costs = rng.integers(0, 6, size=(rng.integers(3, 25), 2)).astype(float)
        made = [Point(cost.tolist(), (0.0, 0.0)) for cost in costs]
        own, others = made[0], made[1:]
        rest, ahead = [*others, own], 0
        while True:
            front = [one for one in rest if not any(dominates(other, one, BOTH) for other in rest)]
            if any(one is own for one in front):
                break
            ahead += len(front)
            rest = [one for one in rest if not any(one is its for its in front)]
        dominating = sum(dominates(other, own, BOTH) for other in others)
        assert has_fallen_behind(own, others, BOTH, 0.0) == (dominating >= 2 and 2 * ahead >= len(others))
