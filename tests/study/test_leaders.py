from pathlib import Path

from lightsearch.outcome import Kind, Outcome
from lightsearch.study.leaders import leaders
from lightsearch.study.origin import outcome_of
from tests.conftest import digits, open_queue
from tests.study.test_trial_queue import ask, complete


def test_the_best_comes_first_and_of_equals_the_earlier(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    for value in (0.5, 0.9, 0.9, 0.1):
        complete(queue, ask(queue, 9), value)
    queue.tell(ask(queue, 9), Outcome(number=4, kind=Kind.PRUNED, value=0.95))
    trials = queue.study.trials
    assert [outcome.number for outcome in leaders(trials, "maximize")] == [1, 2, 0, 3]
    assert [outcome.number for outcome in leaders(trials, "minimize", 2)] == [3, 0]
    assert outcome_of(trials[4]) is not None
