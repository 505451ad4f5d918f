"""The time to go of a search whose trials pause."""

from __future__ import annotations

from datetime import datetime, timedelta

from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.display.pace import Pace
from lightsearch.display.scheduled_forecast import FURTHER_TRAININGS, Standing, scheduled_seconds_to_go

MAX_EPOCHS = 10
SINCE = datetime(2026, 1, 1)
NONE = Standing(0, 0)


def paused(epochs: int, *, began: float = 0.0) -> FrozenTrial:
    """A trial that began so many seconds after the search."""
    attrs = {"until": epochs, "paused": True, "attempt": 1}
    values = dict.fromkeys(range(epochs), 0.5)
    trial = create_trial(state=TrialState.WAITING, intermediate_values=values, user_attrs=attrs)
    trial.datetime_start = SINCE + timedelta(seconds=began)
    return trial


def to_go(trials: list[FrozenTrial], seconds: float, before: Standing = NONE) -> float | None:
    return scheduled_seconds_to_go(trials, 20, MAX_EPOCHS, before, SINCE, SINCE + timedelta(seconds=seconds))


def test_new_trials_take_what_earlier_ones_took_and_the_end_some_trainings() -> None:
    assert to_go([], 1.0) is None
    assert to_go([paused(4) for _ in range(10)], 8.0) == 8 / 40 * (10 * 4 + FURTHER_TRAININGS * MAX_EPOCHS)
    all_begun = [paused(4, began=number / 2) for number in range(20)]
    assert to_go(all_begun, 16.0) == 16 / 80 * FURTHER_TRAININGS * MAX_EPOCHS - (16 - 9.5)
    assert to_go(all_begun, 60.0) is None, "it lasts longer than expected"


def test_what_was_before_this_run_says_nothing_of_its_pace() -> None:
    before = [paused(4, began=-60.0) for _ in range(10)]
    assert to_go(before, 0.0, Standing(10, 40)) is None
    now = [*before, paused(2), paused(2)]
    assert to_go(now, 4.0, Standing.of(before)) == 4 / 4 * (8 * 2 + FURTHER_TRAININGS * MAX_EPOCHS)


def test_a_line_has_the_time_to_go_however_late_it_is_the_first() -> None:
    pace = Pace(20, max_epochs=MAX_EPOCHS)
    pace.begin([])
    pace._began, pace._since = pace._began - 8.0, datetime.now() - timedelta(seconds=8)  # type: ignore[operator]
    assert pace.describe([paused(4) for _ in range(10)]) == "8 s so far, about 18 s to go, 10 begun"
    done = [create_trial(state=TrialState.PRUNED, user_attrs={"until": 4}) for _ in range(20)]
    assert pace.describe(done) == "8 s so far, 20 begun"
    functions = Pace(20)
    functions.begin([])
    assert functions.describe([paused(1)]) == "0 s so far, 1 begun"
