"""A budget of epochs, whose best trial is trained to its end however many trials run side by side."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from lightsearch.outcome import Kind, Outcome
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.budget import n_epochs
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import digits, open_queue

MAX_EPOCHS, EPOCHS = 8, 60


def train_epoch(queue: TrialQueue, assigned: TrialAssignment) -> bool:
    """Trains an epoch of a trial; returns whether its run goes on."""
    epochs = len(queue.study.trials[assigned.number].intermediate_values) + 1
    value = math.sin(assigned.number) + 3 * math.log(epochs)  # the trials overtake each other
    optuna.Trial(queue.study, assigned.trial_id).report(value, epochs - 1)
    if epochs not in (assigned.until, MAX_EPOCHS):
        return True
    kind = Kind.COMPLETE if epochs == MAX_EPOCHS else Kind.PAUSED
    outcome = Outcome(number=assigned.number, kind=kind, attempt=assigned.attempt, value=value, epochs=epochs)
    assert queue.tell(assigned, outcome)
    return False


@pytest.mark.parametrize("scheduler", ["freeze_thaw", "asha"])
@pytest.mark.parametrize("workers", [1, 16])
def test_the_best_trial_ends_within_the_budget(tmp_path: Path, scheduler: str, workers: int) -> None:
    study_file = digits(f"trainer.max_epochs={MAX_EPOCHS}", "trainer.patience=0", f"scheduler={{name='{scheduler}'}}")
    queue = open_queue(study_file, tmp_path)
    running: list[TrialAssignment] = []
    while True:
        while len(running) < workers and isinstance(asked := queue.ask(999, EPOCHS), TrialAssignment):
            running.append(asked)
        if not running:
            break
        running = [one for one in running if train_epoch(queue, one)]
    queue.end_paused()
    trials = queue.study.trials
    assert EPOCHS - MAX_EPOCHS < n_epochs(trials) <= EPOCHS
    best = max(trials, key=lambda one: max(one.intermediate_values.values()))
    assert best.state is TrialState.COMPLETE
