"""Where a trial is, in a word, and what displays make of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from lightsearch.display.live import LiveDisplay
from lightsearch.display.pace import Pace
from lightsearch.display.plain import PlainDisplay
from lightsearch.display.wording import describe_outcome
from lightsearch.errors import UserError
from lightsearch.outcome import NOT_RESUMED, Kind, Outcome
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.best_so_far import best_so_far
from lightsearch.study.origin import ended_how, outcome_of
from lightsearch.study.periods import periods_of
from lightsearch.study.status import Status, count, status_of
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import digits, open_queue

ASHA = ("scheduler.name=asha", "trainer.max_epochs=9")


def assigned(queue: TrialQueue, n_trials: int = 4) -> TrialAssignment:
    trial = queue.ask(n_trials)
    assert isinstance(trial, TrialAssignment)
    return trial


def train(queue: TrialQueue, trial: TrialAssignment, *values: float) -> Outcome:
    """Trains a trial until it pauses, with these values from its first epoch on."""
    for step, value in enumerate(values):
        if step not in queue.storage.get_trial(trial.trial_id).intermediate_values:
            queue.storage.set_trial_intermediate_value(trial.trial_id, step, value)
    outcome = Outcome(
        number=trial.number, kind=Kind.PAUSED, stop_reason="paused", attempt=trial.attempt, value=max(values),
        best_epoch=values.index(max(values)), epochs=len(values),
    )  # fmt: skip
    queue.tell(trial, outcome)
    return outcome


def test_a_trial_that_pauses_continues_and_ends(place: Path) -> None:
    queue = open_queue(digits(*ASHA), place)
    first = assigned(queue)
    assert train(queue, first, 0.5) == outcome_of(queue.study.trials[0]).model_copy(update={"params": {}})  # type: ignore[union-attr]
    assert (status_of(queue.study.trials[0]), ended_how(queue.study.trials[0])) == (Status.PAUSED, "is paused")
    for value in (0.3, 0.4):
        train(queue, assigned(queue), value)
    again = assigned(queue)
    assert (again.number, again.until) == (0, 3)
    trial = queue.study.trials[0]
    assert status_of(trial) is Status.RUNNING
    assert outcome_of(trial) is None  # what was recorded at its pause is not how it ended
    assert len(periods_of(trial)) == 1
    queue.tell(again, Outcome(number=0, kind=Kind.INTERRUPTED))
    queue.study.enqueue_trial({"hidden_size": 50})
    assert count(queue.study.trials) == {"paused": 2, "interrupted": 1, "enqueued": 1}
    ended = queue.end_paused()
    assert [outcome.number for outcome in ended] == [1, 2]
    assert describe_outcome(ended[0]).startswith("trial 1 not resumed 0.3 (best epoch 1, 1 trained")
    assert count(queue.study.trials) == {"not resumed": 2, "interrupted": 1, "enqueued": 1}
    assert queue.study.trials[1].state is TrialState.PRUNED


def test_the_best_so_far_may_be_paused_or_run(place: Path) -> None:
    queue = open_queue(digits(*ASHA), place)
    assert best_so_far(queue.study.trials, "maximize") is None
    for value in (0.5, 0.6, 0.7):
        train(queue, assigned(queue), value)
    best = best_so_far(queue.study.trials, "maximize")
    assert best is not None
    assert (best.trial, best.value) == ("trial 2, paused", 0.7)
    assert best_so_far(queue.study.trials, "minimize") == best._replace(
        number=0, value=0.5, params=queue.study.trials[0].params
    )
    again = assigned(queue)
    assert again.number == 2
    best = best_so_far(queue.study.trials, "maximize")
    assert best is not None
    assert best.trial == "trial 2, running"
    queue.tell(again, Outcome(number=2, kind=Kind.COMPLETE, value=0.7, best_epoch=0, epochs=9))
    best = best_so_far(queue.study.trials, "maximize")
    assert best is not None
    assert best.trial == "trial 2"


def test_only_a_scheduler_puts_a_trial_ahead_that_has_not_ended(place: Path) -> None:
    queue = open_queue(digits("scheduler.name=none"), place)
    queue.storage.set_trial_intermediate_value(assigned(queue).trial_id, 0, 0.9)
    assert best_so_far(queue.study.trials, "maximize") is None


def test_paused_trials_go_on_to_their_end_where_the_scheduler_is_taken_away(place: Path) -> None:
    queue = open_queue(digits(*ASHA), place)
    train(queue, assigned(queue), 0.5)
    queue = open_queue(digits("scheduler.name=none", "trainer.max_epochs=9"), place)
    again = assigned(queue)
    assert (again.number, again.until) == (0, None)
    queue.tell(again, Outcome(number=0, kind=Kind.INTERRUPTED))
    assert (assigned(queue).number, status_of(queue.study.trials[0])) == (0, Status.RUNNING)


def test_a_study_with_paused_trials_is_not_declared_again(place: Path) -> None:
    queue = open_queue(digits(*ASHA), place)
    train(queue, assigned(queue), 0.5)
    with pytest.raises(UserError, match="holds trials of another declaration"):
        open_queue(digits(*ASHA, "seed=7"), place)


def test_the_displays_tell_them_apart(place: Path) -> None:
    queue = open_queue(digits(*ASHA), place)
    for value in (0.5, 0.6, 0.7):
        train(queue, assigned(queue), value)
    assigned(queue)
    screen = Console(file=io.StringIO(), force_terminal=True, width=150, color_system=None)
    with LiveDisplay(screen, name="x", metric="val_acc", direction="maximize", n_trials=4) as live:
        live.update(queue.study)
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "2 paused" in text
    assert "best val_acc: 0.7  trial 2, running" in text
    assert "3 begun" in text
    row = next(line for line in text.splitlines() if line.startswith("trial 2 "))
    assert row.split()[2:5] == ["1", "3", "0.7"]  # its epochs, those after which it pauses, the metric

    file = io.StringIO()
    plain = PlainDisplay(Console(file=file, width=300), direction="maximize", n_trials=4)
    plain.not_resumed(queue.end_paused(), queue.study.trials)
    assert file.getvalue().startswith("[2/4] 2 paused trials were not resumed: 0, 1 | best 0.7 (trial 2, running) | ")


def test_a_scheduled_search_says_how_many_have_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    paused = create_trial(state=TrialState.WAITING, user_attrs={"until": 1, "paused": True, "attempt": 1})
    done = create_trial(state=TrialState.PRUNED, user_attrs={"result": {"stop_reason": NOT_RESUMED}})
    pace = Pace(n_trials=10)
    pace.begin([])
    assert pace.describe([done, paused]).endswith("so far, 2 begun")
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    pace = Pace(n_trials=10, epochs=4)
    pace.begin([])
    monkeypatch.setattr("time.monotonic", lambda: 2.0)
    trained = create_trial(state=TrialState.RUNNING, user_attrs={"until": 1}, intermediate_values={0: 1.0})
    assert pace.describe([trained]) == "2 s so far, about 6 s to go"
