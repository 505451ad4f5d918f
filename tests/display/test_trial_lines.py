from __future__ import annotations

import re

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.display.trial_lines import TrialLines
from lightsearch.outcome import NOT_RESUMED, Kind, Outcome, TrialError

SPACE = {
    "width": IntDistribution(8, 1024),
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "mode": CategoricalDistribution(["sgd", "adam"]),
}


def ended(number: int, kind: Kind, value: float, best: int, epochs: int, **params: object) -> Outcome:
    return Outcome(
        number=number, kind=kind, value=value, best_epoch=best, epochs=epochs, seconds=12.34 * number, params=params
    )


def trial(params: dict[str, object]) -> FrozenTrial:
    used = {name: SPACE[name] for name in params}
    return create_trial(state=TrialState.COMPLETE, value=1.0, params=params, distributions=used)


def test_columns_line_up_and_numbers_are_at_their_right() -> None:
    outcomes = [
        ended(3, Kind.COMPLETE, 0.97917, 0, 9, width=16, rate=0.000123456, mode="sgd"),
        ended(11, Kind.PRUNED, 0.5, 9, 20, width=1024, rate=0.1, mode="adam"),
        ended(20, Kind.COMPLETE, 0.98, 19, 20, width=8, rate=3e-5, mode="sgd"),
    ]
    lines = TrialLines(24, 20, ())
    first, second, third = (lines.line(one, [trial(one.params)]) for one in outcomes)
    assert first == ("trial  3 complete  0.97917  best epoch  1 of  9    37.0 s    width=16  rate=0.0001235   mode=sgd")
    assert second == (
        "trial 11 pruned        0.5  best epoch 10 of 20   135.7 s  width=1024        rate=0.1  mode=adam"
    )
    columns = [[found.end() for found in re.finditer(r"\S+(?=  |$)", line)] for line in (first, second, third)]
    assert columns[0][-5:] == columns[1][-5:] == columns[2][-5:]


def test_a_conditional_parameter_leaves_its_place_empty() -> None:
    lines, both, one = TrialLines(9, None, ()), {"width": 8, "mode": "adam"}, {"mode": "adam"}
    trials = [trial(both), trial(one)]
    first = lines.line(ended(0, Kind.COMPLETE, 0.5, 0, 1, **both), trials)
    second = lines.line(ended(1, Kind.COMPLETE, 0.5, 0, 1, **one), trials)
    assert first.index("mode=") == second.index("mode=")


def test_steps_objectives_and_words() -> None:
    lines = TrialLines(9, None, ("cost",))
    step = Outcome(number=1, kind=Kind.COMPLETE, value=1.0, epochs=4, seconds=1.0, metrics={"cost": 12.5})
    assert lines.line(step, []) == "trial 1 complete        1  cost    12.5   4 steps     1.0 s"
    left = ended(2, Kind.PRUNED, 0.5, 0, 1).model_copy(update={"stop_reason": NOT_RESUMED})
    assert lines.line(left, []).startswith("trial 2 not resumed")
    error = TrialError(type="ValueError", message="no", traceback="")
    failed = Outcome(number=8, kind=Kind.USER_ERROR, error=error)
    assert lines.line(failed, []) == "trial 8 user_error: ValueError: no"


def test_a_trial_that_began_from_a_checkpoint_counts_on() -> None:
    copy = ended(5, Kind.COMPLETE, 0.5, 4, 4).model_copy(update={"first_epoch": 2})
    assert "best epoch 5 of 6" in " ".join(TrialLines(9, 9, ()).line(copy, []).split())
