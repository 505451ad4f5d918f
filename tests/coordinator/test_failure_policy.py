"""When a search is stopped by its failures, and when it goes on."""

from __future__ import annotations

import pytest

from lightsearch.coordinator.failure_policy import FailurePolicy
from lightsearch.outcome import Kind, Outcome, TrialError

COMPLETE = Outcome(number=0, kind=Kind.COMPLETE, value=1.0)


def failed(message: str, kind: Kind = Kind.USER_ERROR, type_: str = "RuntimeError") -> Outcome:
    return Outcome(number=0, kind=kind, error=TrialError(type=type_, message=message, traceback=f"trace of {message}"))


def judge(*outcomes: Outcome, at_a_time: int = 1) -> int | None:
    """After how many of the outcomes the search stops."""
    policy = FailurePolicy()
    for count, outcome in enumerate(outcomes, 1):
        if policy.judge(outcome, at_a_time) is not None:
            return count
    return None


@pytest.mark.parametrize(
    "messages",
    [
        ["no such layer"] * 3,
        [f"shapes cannot be multiplied (32x{n} and {n + 1}x10)" for n in range(3)],
        [f"<object at 0x7f{n:x}a> is no tensor" for n in range(3)],
        [f"lr is {n}.5e-0{n}" for n in range(3)],
    ],
)
def test_failures_that_differ_in_numbers_alone_are_the_same(messages: list[str]) -> None:
    assert judge(*map(failed, messages)) == 3


def test_the_reason_names_the_last_failure() -> None:
    policy = FailurePolicy()
    for _ in range(2):
        assert policy.judge(failed("no such layer"), 1) is None
    stopped = policy.judge(failed("no such layer"), 1)
    assert stopped is not None
    assert stopped.reason == "the same failure 3 times in a row"
    assert stopped.traceback == "trace of no such layer"


def test_failures_that_differ_in_words_stop_it_too() -> None:
    words = [failed(f"no layer {'abcdefghijkl'[n]}") for n in range(12)]
    assert judge(*words) == 10
    assert judge(*words, at_a_time=8) == 10  # they tell of the code, however many run at a time
    assert judge(*words[:9], COMPLETE, *words[:9]) is None


def test_a_study_in_which_every_trial_diverges_ends() -> None:
    kinds = [Kind.DIVERGED, Kind.OUT_OF_MEMORY]
    outcomes = [failed("nan", kinds[n % 2]) for n in range(50)]
    assert judge(*outcomes) == 10
    # The first good trials of four may take longer than many bad ones beside them.
    assert judge(*outcomes, at_a_time=4) == 40
    policy = FailurePolicy()
    stopped = [policy.judge(outcome, 1) for outcome in outcomes[:10]][-1]
    assert stopped is not None
    assert stopped.reason.startswith("10 failures and no finished trial in between (5 diverged, 5 out_of_memory)")


def test_a_pruned_trial_is_finished_and_an_interrupted_one_is_nothing() -> None:
    pruned, interrupted = Outcome(number=0, kind=Kind.PRUNED), Outcome(number=0, kind=Kind.INTERRUPTED)
    error = failed("no such layer")
    assert judge(error, error, pruned, error, error) is None
    assert judge(error, interrupted, error, interrupted, error) == 5
    assert judge(error, failed("nan", Kind.DIVERGED), error, failed("nan", Kind.DIVERGED), error) == 5


def test_what_is_certain_to_come_again_stops_it_at_once() -> None:
    assert judge(failed("val_acc is not logged", type_="MissingMetric")) == 1


def test_a_failure_without_an_error_is_told_by_its_kind() -> None:
    stopped = [FailurePolicy().judge(Outcome(number=0, kind=Kind.DIVERGED), 0)]
    assert stopped == [None]
    assert judge(*[Outcome(number=0, kind=Kind.TIMEOUT)] * 3) == 3


def test_a_pause_tells_of_the_code_only_if_the_trial_came_further_than_those_that_failed() -> None:
    fails = failed("no such layer").model_copy(update={"epochs": 2})
    short, long = (Outcome(number=1, kind=Kind.PAUSED, epochs=epochs) for epochs in (2, 3))
    assert judge(fails, short, fails, short, fails) == 5
    assert judge(fails, long, fails, long, fails, long) is None
