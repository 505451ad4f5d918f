from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.display.forecast import seconds_to_go

BEGAN = datetime(2026, 1, 1, 12)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def trial(began: float, ended: float | None, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    """A trial that began and ended so many seconds after the search did; None: it runs."""
    value = 1.0 if ended is not None and state is not TrialState.FAIL else None
    made = create_trial(state=state if ended is not None else TrialState.RUNNING, value=value)
    made.datetime_start, made.datetime_complete = at(began), None if ended is None else at(ended)
    return made


def to_go(trials: list[FrozenTrial], n_trials: int, seconds: float, *, prunes: bool = False) -> float | None:
    return seconds_to_go(trials, n_trials, BEGAN, at(seconds), prunes=prunes)


@pytest.mark.parametrize(("n_done", "seconds"), [(6, 90), (12, 60), (18, 30)])
def test_trials_of_one_length_on_two_workers(n_done: int, seconds: float) -> None:
    done = [trial(10 * (n // 2), 10 * (n // 2 + 1)) for n in range(n_done)]
    running = [trial(5 * n_done, None)] * 2
    assert to_go([*done, *running], 24, 5 * n_done) == pytest.approx(seconds, rel=0.2)


def test_trials_that_run_beside_each_other_are_nearly_done_when_the_first_ends() -> None:
    trials = [trial(0, 10), *[trial(0, None)] * 15]
    left = to_go(trials, 16, 10)  # a mean over what is done says 150 s
    assert left is not None
    assert 0 < left < 10


def test_before_a_trial_of_this_search_has_ended_nothing_is_known() -> None:
    assert to_go([trial(0, None)], 5, 10) is None
    assert to_go([trial(-20, -10), trial(0, None)], 5, 10) is None
    assert to_go([trial(0, 5, TrialState.FAIL), trial(5, None)], 5, 10) is None


def test_nothing_is_to_go_when_all_have_ended() -> None:
    assert to_go([trial(0, 10), trial(0, 12)], 2, 12) == 0


def test_what_was_before_this_search_does_not_count() -> None:
    continued = [trial(-1000, -900), trial(-1000, 10), trial(10, None)]  # the second was interrupted
    assert to_go(continued, 12, 10) == pytest.approx(100, rel=0.25)


def test_a_pruner_that_has_not_begun_is_expected_to_end_half_of_the_new_trials() -> None:
    first = [trial(10 * n, 10 * n + 10) for n in range(6)]
    kept, pruned = to_go(first, 24, 60), to_go(first, 24, 60, prunes=True)
    assert kept is not None
    assert pruned == pytest.approx(kept / 2)
    unpruned = [trial(10 * n, 10 * n + 10) for n in range(12)]
    assert to_go(unpruned, 24, 120, prunes=True) == to_go(unpruned, 24, 120)  # it does not prune


def test_new_trials_last_as_the_latest_did() -> None:
    first = [trial(10 * n, 10 * n + 10) for n in range(6)]
    pruned = [trial(60 + n, 61 + n, TrialState.PRUNED) for n in range(8)]
    assert to_go([*first, *pruned], 24, 68, prunes=True) == pytest.approx(10, rel=0.2)
