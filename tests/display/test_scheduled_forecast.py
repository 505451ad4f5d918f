"""The time to go of a search whose trials pause."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.display.pace import pace_of
from lightsearch.display.scheduled_forecast import FURTHER_TRAININGS, ScheduledForecast

MAX_EPOCHS = 10


def paused(epochs: int) -> FrozenTrial:
    values = dict.fromkeys(range(epochs), 0.5)
    attrs = {"until": epochs, "paused": True, "attempt": 1}
    return create_trial(state=TrialState.WAITING, intermediate_values=values, user_attrs=attrs)


def test_new_trials_take_what_earlier_ones_took_and_the_end_some_trainings() -> None:
    forecast = ScheduledForecast(20, MAX_EPOCHS)
    assert forecast.seconds_to_go([], 1.0) is None
    ten = [paused(4) for _ in range(10)]
    assert forecast.seconds_to_go(ten, 8.0) == 8.0 / 40 * (10 * 4 + FURTHER_TRAININGS * MAX_EPOCHS)
    twenty = [paused(4) for _ in range(20)]
    assert forecast.seconds_to_go(twenty, 16.0) == 16.0 / 80 * FURTHER_TRAININGS * MAX_EPOCHS
    longer = [paused(6) for _ in range(20)]
    assert forecast.seconds_to_go(longer, 24.0) == 24.0 / 120 * (FURTHER_TRAININGS * MAX_EPOCHS - 40)
    assert forecast.seconds_to_go([paused(8) for _ in range(20)], 32.0) is None, "it lasts longer than expected"


def test_what_was_before_this_run_says_nothing_of_its_pace() -> None:
    forecast = ScheduledForecast(20, MAX_EPOCHS)
    before = [paused(4) for _ in range(10)]
    assert forecast.seconds_to_go(before, 0.0) is None
    now = [*before, paused(2), paused(2)]
    assert forecast.seconds_to_go(now, 4.0) == 4.0 / 4 * (8 * 2 + FURTHER_TRAININGS * MAX_EPOCHS)


def test_a_line_has_the_time_to_go_and_the_trials_that_have_begun() -> None:
    pace = pace_of(20, None, MAX_EPOCHS, prunes=False)
    pace.begin([])
    assert pace.describe([paused(1)]).endswith("so far, 1 begun")
    functions = pace_of(20, None, None, prunes=False)
    functions.begin([])
    assert functions.describe([paused(1)]).endswith("so far, 1 begun")
