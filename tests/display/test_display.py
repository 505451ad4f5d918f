from __future__ import annotations

import io
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console

from lightsearch.display import plain
from lightsearch.display.live import LiveDisplay
from lightsearch.display.pace import Pace
from lightsearch.display.plain import PlainDisplay
from lightsearch.display.running_table import running_table
from lightsearch.display.wording import describe_outcome, describe_params, describe_time, duration
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.totals import UNLIMITED
from tests.conftest import digits, open_queue


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_outcome_in_a_line() -> None:
    outcome = Outcome(
        number=7, kind=Kind.PRUNED, value=0.98765, best_epoch=2, epochs=4, seconds=1.23, params={"lr": 1e-3, "n": 5}
    )
    assert describe_outcome(outcome) == "trial 7 pruned 0.98765 (best epoch 3, 4 trained, 1.2 s) lr=0.001 n=5"
    failed = Outcome(number=8, kind=Kind.USER_ERROR, error=TrialError(type="ValueError", message="no", traceback=""))
    assert describe_outcome(failed).startswith("trial 8 user_error: ValueError: no")
    assert describe_params({}) == ""


def test_the_time_to_go_of_a_budget_in_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 20.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    pace = Pace(n_trials=UNLIMITED, epochs=10)
    assert pace.describe([]) == "0 s so far"  # what goes before the trials says nothing of their pace
    before = [create_trial(state=TrialState.COMPLETE, value=1.0, intermediate_values={0: 1.0})]
    pace.begin(before)
    assert pace.describe(before) == "5 s so far"
    assert pace.describe([*before, *before]) == "20 s so far, about 2 min 40 s to go"


def test_no_time_to_go_is_said_when_all_is_done() -> None:
    assert describe_time(70.0, 65.0) == "1 min 10 s so far, about 1 min 05 s to go"
    assert describe_time(70.0, 0.4) == describe_time(70.0, None) == "1 min 10 s so far"


def test_a_budget_in_epochs_is_counted_in_epochs() -> None:
    pace = Pace(n_trials=UNLIMITED, epochs=40)
    trials = [create_trial(state=TrialState.COMPLETE, value=1.0, intermediate_values={0: 0.5, 1: 1.0})] * 3
    assert (pace.progress(trials), pace.unit, pace.total) == (" 6/40", "epochs", 40)


def test_a_line_says_how_far_a_search_is_in_which_no_trial_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_queue(digits("scheduler=none"), tmp_path)
    queue.ask(12)
    screen = Console(file=io.StringIO(), width=120)
    display = PlainDisplay(screen, direction="maximize", n_trials=12)
    display.update(queue.study)
    assert screen.file.getvalue() == ""  # type: ignore[attr-defined]
    monkeypatch.setattr(plain, "SILENT_SECONDS", 0.0)
    display.update(queue.study)
    assert screen.file.getvalue() == "[ 0/12] 1 running | 0 s so far\n"  # type: ignore[attr-defined]


def test_the_live_display_shows_counts_the_best_and_what_runs(tmp_path: Path) -> None:
    queue = open_queue(digits(), tmp_path)
    done, running = queue.ask(5), queue.ask(5)
    assert isinstance(done, TrialAssignment)
    assert isinstance(running, TrialAssignment)
    queue.tell(done, Outcome(number=0, kind=Kind.COMPLETE, value=0.75))
    queue.storage.set_trial_intermediate_value(running.trial_id, 3, 0.625)
    screen = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    display = LiveDisplay(screen, name="[red]x", metric="val_acc", direction="maximize", n_trials=5)
    with display:
        display.update(queue.study)
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "1/5 trials" in text
    assert "1 complete" in text
    assert "best val_acc: 0.75  trial 0  hidden_size=" in text
    assert "trial 1" in text
    assert "0.625" in text
    assert "[red]x" in text  # text from outside is not markup


@pytest.mark.parametrize(("width", "curve", "params"), [(50, False, False), (80, True, False), (200, True, True)])
def test_the_table_of_running_trials_fits_the_screen(width: int, curve: bool, params: bool) -> None:
    values, lr = {0: 0.5, 1: 0.75, 2: 0.875}, FloatDistribution(1e-4, 1.0)
    names = ["learning_rate", "weight_decay", "dropout"]
    given = {"params": dict.fromkeys(names, 0.00123), "distributions": dict.fromkeys(names, lr)}
    best, other = (
        create_trial(state=TrialState.RUNNING, intermediate_values=reported, user_attrs={"until": 5}, **given)
        for reported in (values, {0: 0.25, 1: 0.8})
    )
    best.number, other.number = 0, 7
    screen = Console(file=io.StringIO(), width=width)
    table = running_table([best, other], best, metric="val_acc", minimize=False, max_epochs=20, console=screen)
    screen.print(table)
    head, first, second = (line.rstrip() for line in screen.file.getvalue().splitlines())  # type: ignore[attr-defined]
    assert max(map(len, (head, first, second))) <= width
    assert first.split()[:6] == ["trial", "0", "3/20", "5", "0.875", "best"]
    assert second.split()[:6] == ["trial", "7", "2/20", "5", "0.8", "+0.05"]
    assert ("▁▆█" in first, "▁█" in second) == (curve, curve)
    assert head.split()[-3:] == names if params else head.endswith("parameters")
