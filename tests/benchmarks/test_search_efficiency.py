"""The yardstick of search efficiency: its clock and its accounting."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.search_efficiency.accounting import BUDGETS, Summary, regrets, slowdowns, summarise, write_json
from tests.benchmarks.search_efficiency.clock import Assignment, simulate
from tests.benchmarks.search_efficiency.pack_sizes import in_rounds
from tests.benchmarks.search_efficiency.problem import Scale, Trajectory

CURVES = {0: [1.0, 5.0, 2.0], 1: [3.0, 4.0, 6.0], 2: [0.0, 0.0, 9.0], 3: [7.0, 7.0, 7.0]}
"""Values of hand-made trials, by number."""
SECONDS = {0: [1.0, 1.0, 1.0], 1: [5.0, 1.0, 1.0], 2: [1.0, 1.0, 1.0], 3: [1.0, 1.0, 1.0]}


class Listed:
    """Hand-made trials one after the other, each up to an epoch; notes what is known when it decides."""

    def __init__(self, plan: Sequence[tuple[int, int]]) -> None:
        self.plan, self.until = list(plan), dict(plan)
        self.known: list[tuple[int, int]] = []
        self.known_at: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def ask(self) -> Assignment | None:
        if not self.plan:
            return None
        number, self.until[number] = step = self.plan.pop(0)
        self.known_at[step] = list(self.known)
        return Assignment(number, {"number": number})

    def report(self, number: int, epoch: int, value: float) -> bool:
        assert value == CURVES[number][epoch - 1]
        self.known.append((number, epoch))
        return epoch < self.until[number]


def train(params: object) -> Trajectory:
    number = params["number"]  # type: ignore[index]
    return Trajectory(np.array(CURVES[number]), np.array(SECONDS[number]))


def test_a_trial_continues_where_it_has_stopped() -> None:
    search = Listed([(0, 2), (1, 1), (0, 3)])
    assert simulate(search, train, workers=1, max_epochs=3, budget=100) == [1.0, 5.0, 3.0, 2.0]
    assert search.known_at[0, 3] == [(0, 1), (0, 2), (1, 1)]


def test_a_trial_ends_with_its_last_epoch_whatever_the_search_wants() -> None:
    assert simulate(Listed([(0, 99), (1, 1)]), train, workers=1, max_epochs=3, budget=100) == [1.0, 5.0, 2.0, 3.0]


def test_the_search_ends_with_its_epochs() -> None:
    assert simulate(Listed([(0, 3), (1, 3)]), train, workers=1, max_epochs=3, budget=4) == [1.0, 5.0, 2.0, 3.0]
    assert simulate(Listed([(0, 3), (1, 3)]), train, workers=2, max_epochs=3, budget=3) == [1.0, 3.0, 5.0]


def test_nothing_is_known_before_its_time() -> None:
    search = Listed([(1, 1), (0, 1), (2, 1), (3, 1)])  # the first epoch of trial 1 takes 5 seconds
    found = simulate(search, train, workers=2, max_epochs=3, budget=100, timed=True)
    assert found == [1.0, 0.0, 7.0, 3.0]
    assert search.known_at[0, 1] == []  # two begin at once
    assert search.known_at[3, 1] == [(0, 1), (2, 1)]


def test_what_ends_at_the_same_time_is_known_before_the_next_decision() -> None:
    search = Listed([(1, 1), (0, 1), (2, 1)])
    simulate(search, train, workers=2, max_epochs=3, budget=100)
    assert search.known_at[2, 1] == [(1, 1), (0, 1)]


def test_regret_follows_the_best_epoch_of_all_and_keeps_it_to_the_end() -> None:
    found = regrets([1.0, 5.0, 2.0, 6.0], Scale(median=4.0, highest=6.0), budget=6)
    assert found.tolist() == [2.5, 0.5, 0.5, 0.0, 0.0, 0.0]


def test_a_summary_reads_the_regret_at_full_trainings() -> None:
    epochs = 2
    one, other = (np.arange(100, dtype=float) + shift for shift in (0, 2))
    summary = summarise([one, other], epochs)
    assert summary.mean == [budget * epochs - 1 + 1 for budget in BUDGETS]
    assert summary.se == pytest.approx([math.sqrt(2) / math.sqrt(2)] * len(BUDGETS))
    assert summary.n == 2
    assert summarise([one], epochs).se is None


def test_slowdowns_compare_the_epochs_to_one_regret() -> None:
    one = np.linspace(1, 0, 50)  # one epoch is a full training
    late = np.concatenate([np.ones(50), one])
    found = slowdowns([one], [late], epochs=1)
    assert found == pytest.approx([(50 + budget) / budget for budget in BUDGETS])
    assert slowdowns([one], [np.ones(100)], epochs=1) == [math.inf] * len(BUDGETS)


def test_the_file_of_summaries_has_the_form_that_is_documented(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    write_json(file, {"default": Summary([0.5, 0.4, 0.3, 0.2, 0.1], [0.05] * 5, 51)})
    assert json.loads(file.read_text()) == {
        "budgets": [2, 5, 10, 20, 50],
        "methods": {"default": {"mean": [0.5, 0.4, 0.3, 0.2, 0.1], "se": [0.05] * 5, "n": 51}},
    }


def test_a_round_of_a_pack_ends_for_all_its_members() -> None:
    search = Listed([(0, 2), (1, 1), (2, 2), (3, 1)])  # two packs of two, each round of two takes 1.5 epochs
    found = in_rounds(search, train, workers=2, size=2, share=0.5)
    assert search.known_at[3, 1] == [] == search.known_at[2, 2], "four begin at once"
    assert [(one.time, one.value) for one in found[1:]] == [
        (1.5, 1.0),
        (1.5, 3.0),
        (1.5, 3.0),
        (1.5, 7.0),
        (2.5, 7.0),
        (2.5, 7.0),
    ]


def test_a_worker_without_a_pack_waits_for_what_others_find() -> None:
    search = Listed([(0, 1), (1, 1), (2, 1)])
    found = in_rounds(search, train, workers=1, size=2, share=0.5)
    assert [one.time for one in found[1:]] == [1.5, 1.5, 2.5]
    assert search.known_at[2, 1] == [(0, 1), (1, 1)]
