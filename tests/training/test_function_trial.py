"""Studies of a plain function: it samples for itself, in a worker, and nothing else differs."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

import lightsearch
from lightsearch.confirm.context import open_study
from lightsearch.declare.validation import validate
from lightsearch.errors import UserError
from lightsearch.report import write_report
from tests.conftest import command, environment

SCRIPT = """
import optuna
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import lightsearch

X, y = load_digits(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X / 16, y, random_state=0)
print("the script is run")

def objective(trial):
    alpha = trial.suggest_float("alpha", 1e-6, 10, log=True)
    loss = trial.suggest_categorical("loss", ["hinge", "log_loss"])
    rate = trial.suggest_float("rate", 1e-2, 1) if loss == "log_loss" else 0.1
    model = SGDClassifier(alpha=alpha, loss=loss, learning_rate="constant", eta0=rate)
    for step in range(5):
        model.partial_fit(X_train, y_train, classes=range(10))
        accuracy = model.score(X_val, y_val)
        trial.report(accuracy, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("nonzero", int((model.coef_ != 0).sum()))
    return accuracy

pruner = {"name": "MedianPruner", "init_args": {"n_startup_trials": 3}}
result = lightsearch.search(objective, 6, name="mine", workers=1, pruner=pruner, metric="accuracy")
result = lightsearch.search(objective, 12, name="mine", workers=1, pruner=pruner, metric="accuracy")
assert result.ending == "done", result
assert result.best.value == max(result.trials()["value"])
assert result.best.params == result.study.best_trial.params
again = lightsearch.search(objective, 12, name="again", workers=1, pruner=pruner, metric="accuracy")
assert [t.params for t in again.study.trials] == [t.params for t in result.study.trials]
assert [t.value for t in again.study.trials] == [t.value for t in result.study.trials]
try:
    result.load_best_model()
except lightsearch.errors.UserError as error:
    print(error)
"""
ODD = """
import os, signal
import lightsearch

def dies(trial):
    x = trial.suggest_float("x", 0, 1)
    folder = lightsearch.trial_folder(trial)
    done = len(list(folder.iterdir()))
    (folder / f"attempt-{done + 1}").write_text(str(x))
    for step in range(done, 3):  # goes on from what it kept itself
        trial.report(x + done, step)
        if trial.number == 0 and step == done == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    y = trial.suggest_int("y", 1, 9)
    if trial.number == 1:
        return float("nan")
    if trial.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    trial.set_constraint("size", float(trial.number == 3))
    return x * y

def none(trial):
    trial.suggest_float("x", 0, 1)

def two(trial):
    return trial.suggest_float("x", 0, 1), 1.0

def presses(trial):
    raise KeyboardInterrupt

def fails(trial):
    trial.set_user_attr("attempt", 3)

def grid(trial):
    return trial.suggest_int("a", 0, 1) + trial.suggest_categorical("b", [0.5, 0.25, 0.125])

def no_trial(x, y): ...
"""


def load(place: Path, name: str) -> optuna.Study:
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name=name)


MODULE = "functions_of_a_test"


def study_of(place: Path, function: str, *further: str) -> Path:
    """A study file of one of the functions of a module beside it."""
    (place / "studies" / f"{MODULE}.py").write_text(ODD)
    file = place / "studies" / f"{function}.toml"
    file.write_text("\n".join([f'name = "{function}"', f'objective = "{MODULE}.{function}"', *further]))
    return file


@pytest.mark.slow
def test_a_function_of_a_script_without_a_guard(place: Path) -> None:
    (place / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=place, env=environment(), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the script is run") == 1
    assert "[12/12] trial 11 " in done.stdout
    assert "mine: is of a function, and has no model" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("--study = 'mine': is of a function, and has no model to test")

    trials = load(place, "mine").trials
    states = [trial.state.name for trial in trials]
    assert len(states) == 12
    assert set(states) == {"COMPLETE", "PRUNED"}
    for trial in trials:
        assert ("rate" in trial.params) == (trial.params["loss"] == "log_loss")
        outcome = json.loads((place / "studies" / "mine" / f"trial-{trial.number:04d}" / "result.json").read_text())
        assert outcome["params"] == trial.params
        assert outcome["epochs"] == len(trial.intermediate_values)
        assert outcome["value"] == trial.value == list(trial.intermediate_values.values())[-1]
        assert ("nonzero" in trial.user_attrs) == (trial.state.name == "COMPLETE")
    assert (place / "studies" / "mine" / "trial-0000" / "log.txt").read_text() == ""

    write_report(load(place, "mine"), place / "report")
    summary = json.loads((place / "report" / "summary.json").read_text())
    assert summary["best"]["params"] == load(place, "mine").best_trial.params
    assert summary["provenance"]["fingerprint"]["objective"] == "__main__.objective"
    page = (place / "report" / "report.html").read_text()
    assert "__main__.objective" in page
    assert "test set used" not in page
    said = command("status", "--study", "mine", cwd=place).stdout
    assert f"{states.count('COMPLETE')} complete" in said
    assert "tested" not in said
    refused = command("evaluate", "--study", "mine", cwd=place)
    assert refused.returncode == 2
    assert refused.stderr.startswith("--study = 'mine': is of a function, and has no model to test")
    with pytest.raises(UserError, match="has no model to test"):  # the way of search.retrain, and of --reproduce
        open_study("mine", "sqlite:///studies/studies.db", None)


def test_a_killed_function_is_called_again_with_the_same_parameters(place: Path) -> None:
    file = study_of(place, "dies", "enqueue = [{ x = 0.25 }]")
    done = command("run", "--study", file, "--n-trials", 3, "--workers", 1, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trial 0: its process died (SIGKILL); starting it again with the same parameters, attempt 2" in done.stdout
    trials = load(place, "dies").trials
    assert [trial.user_attrs["kind"] for trial in trials] == ["complete", "diverged", "crashed", "pruned", "complete"]
    assert [trial.user_attrs["attempt"] for trial in trials] == [2, 1, 3, 1, 1]

    first = trials[0]
    assert first.value == 0.25 * first.params["y"]
    assert first.intermediate_values == {0: 0.25, 1: 1.25, 2: 1.25}
    assert first.user_attrs["result"]["epochs"] == 3
    files = [file.read_text() for file in sorted((place / "studies" / "dies" / "trial-0002" / "files").iterdir())]
    assert files == [str(trials[2].params["x"])] * 3  # two more tries, and no parameter is drawn anew
    assert trials[3].constraints == {"size": 1.0}

    assert "checkpoint" not in done.stdout
    assert "search.evaluate" not in done.stdout
    assert "trained" not in done.stdout
    assert "\n\n\n" not in done.stdout
    assert "lightsearch report --study dies" in done.stdout


def test_a_sampler_that_enumerates_ends_the_search(place: Path) -> None:
    file = study_of(place, "grid", "[sampler]", 'name = "BruteForceSampler"')
    for _ in range(2):  # the same again does nothing
        assert lightsearch.search(file, 20, workers=0).ending == "exhausted"
        trials = load(place, "grid").trials
        assert sorted(trial.value or 0.0 for trial in trials) == [0.125, 0.25, 0.5, 1.125, 1.25, 1.5]


@pytest.mark.parametrize(
    ("function", "line"),
    [
        ("none", "NoNumber: the function returned 'None', which is no number; return one"),
        ("two", "NoNumber: the function returned 2 values; return one number: a function has a single objective"),
        ("presses", "KeyboardInterrupt: "),
        ("fails", "ValueError: the user attribute attempt is the search's own; choose another name"),
    ],
)
def test_a_function_that_fails_stops_the_search(
    place: Path, capsys: pytest.CaptureFixture[str], function: str, line: str
) -> None:
    assert lightsearch.search(study_of(place, function), 9, workers=0).ending == "failing"
    said = capsys.readouterr().out
    assert said.count(f"user_error: {line}") == 3
    assert "stopped: the same failure 3 times in a row" in said
    assert ("Traceback" in said) == (function in ("fails", "presses"))


def test_mistakes_before_any_trial(place: Path) -> None:
    file = study_of(place, "none")
    for keys, line in (
        ({"objective": f"{MODULE}.nome"}, f'{MODULE} has no function nome; did you mean "none"?'),
        ({"objective": "nowhere.none"}, "objective = 'nowhere.none': no such module"),
        ({"objective": f"{MODULE}.no_trial"}, "takes (x, y); it is called with the trial and nothing else"),
        ({"sampler": {"name": "GridSampler"}}, "sampler.name = 'GridSampler': needs the values of every parameter"),
        ({"n_trial": 3}, 'n_trial = 3: unknown; did you mean "n_trials"?'),
        ({"metric": ["one", "two"], "direction": ["maximize", "minimize"]}, "a function has a single objective"),
    ):
        with pytest.raises(UserError) as refused:
            lightsearch.search(file, workers=0, **keys)
        assert line in str(refused.value)
        assert len(refused.value.mistakes) == 1
    for options, line in (
        ({"trial_timeout": 5}, "trial_timeout = 5: with workers=0 a trial runs in this process"),
        ({"threads": 0}, "threads = 0: write a number from 1 to 1024"),
    ):
        with pytest.raises(UserError, match=line):
            lightsearch.search(study_of(place, "grid"), workers=0, **options)
    with pytest.raises(UserError, match="study = 'Classifier': is a class"):
        lightsearch.search(lightsearch.Classifier, name="x")
    with pytest.raises(UserError, match="name = None: is missing"):
        lightsearch.search(lambda trial: 0.0, workers=0)
    assert not (place / "studies" / "studies.db").exists()


def test_what_has_no_meaning_for_a_function_is_refused() -> None:
    declared: dict[str, Any] = {"name": "x", "objective": "odd.one", "trainer": {}, "keep_top_k": 3, "baseline": True}
    _, mistakes = validate(declared)
    assert [mistake.field for mistake in mistakes] == ["baseline", "trainer", "keep_top_k"]
    assert "has no effect in a study of a function" in str(mistakes[0])
    assert [str(one) for one in validate({"name": "x", "objective": "odd"})[1]] == [
        "objective = 'odd': write module.function"
    ]
    study_file, _ = validate({"name": "x", "objective": "odd.one", "enqueue": [{"any": 1}]})
    assert study_file is not None
    assert study_file.metric == "value"


def test_a_trial_of_optuna_itself_has_no_folder() -> None:
    with pytest.raises(TypeError, match="this trial has no folder"):
        lightsearch.trial_folder(optuna.create_study().ask())


def breaks(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    if trial.number == 1:
        os.closerange(3, 256)
    if trial.number == 2:
        sqlite3.connect(":memory:").execute("SELECT * FROM mine")
    trial.report(x, 0)
    return x


def test_a_trial_that_breaks_its_process_or_its_own_database_ends_itself(place: Path) -> None:
    result = lightsearch.search(breaks, 3, name="breaks", workers=2)
    assert result.ending == "done"
    outcomes = {trial.number: trial.user_attrs for trial in result.study.trials}
    assert [outcomes[number]["kind"] for number in range(5)] == ["complete", "user_error", "user_error"] + 2 * [
        "complete"
    ]
    assert outcomes[1]["result"]["error"]["type"] == "DescriptorsClosed"
    assert outcomes[2]["result"]["error"]["message"] == "no such table: mine"
