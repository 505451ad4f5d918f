"""Searches from Python: a script, a class of its own, a notebook."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lightsearch.errors import UserError
from lightsearch.models.classifier import Classifier
from tests.conftest import command, environment, start

SCRIPT = """
import lightsearch, torch
from lightsearch.data import ImageData

class Mine(lightsearch.Classifier):
    def __init__(self, in_features: int, num_classes: int, hidden_size: int = 8):
        super().__init__(in_features, num_classes, hidden_size=hidden_size)

result = lightsearch.search(
    {
        "name": "mine",
        "model": Mine,
        "data": {"class_path": ImageData, "init_args": {"dataset": "digits", "batch_size": 128}},
        "space": {"model": {"hidden_size": {"int": [8, 32]}}},
        "trainer": {"max_epochs": 2},
    },
    n_trials=3,
)
assert result.ending == "done", result
assert result.best.value == max(result.trials()["value"])
assert len(result.trials()) == 3
model = result.load_best_model()
assert type(model).__name__ == "Mine"
assert model(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
print(result)
(tested,) = lightsearch.evaluate("mine")
_, final = lightsearch.retrain("mine", top=1, seeds=1)
assert (tested.ordinal, final.evaluation.ordinal) == (1, 2)
again = lightsearch.search("studies/digits.toml", 1, workers=1)
print(again.best.params)
"""


@pytest.mark.parametrize(
    "from_stdin",
    [True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["as in a notebook", "a script without a guard"],
)
@pytest.mark.slow
def test_a_class_of_the_script_itself_is_searched_over(place: Path, from_stdin: bool) -> None:
    (place / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-" if from_stdin else "script.py"],
        cwd=place,
        env=environment(),
        input=SCRIPT if from_stdin else None,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "<SearchResult mine: done, 3 trials, best " in done.stdout
    assert done.stdout.count("[3/3]") == 1
    assert "hidden_size" in done.stdout.splitlines()[-1]
    elsewhere = command("evaluate", "--study", "mine", cwd=place)
    assert elsewhere.returncode == 2
    assert elsewhere.stderr.startswith("model.class_path = '__main__.Mine': is a class of a script or notebook")


class Forgets(Classifier):
    """Logs its metric in the first epoch alone."""

    def validation_step(self, batch: Any) -> None:
        super().validation_step(batch)
        if self.current_epoch == 0:
            self.log("val_f1", 0.5)


def test_a_metric_that_is_no_longer_logged_stops_the_search_at_once(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import lightsearch
    from lightsearch.data import ImageData

    classes = {"model": Forgets, "data": ImageData}
    result = lightsearch.search(classes, name="x", metric="val_f1", trainer={"max_epochs": 2}, workers=0)
    assert (result.ending, len(result.trials())) == ("failing", 1)
    said = capsys.readouterr().out
    assert said.endswith(
        "stopped: every other trial would fail likewise\n"
        "last error:\n"
        'metric = "val_f1": the validation of epoch 2 does not log it; it logs val_acc, val_loss\n'
    )


def test_a_metric_that_is_not_logged_is_a_mistake(place: Path) -> None:
    import lightsearch
    from lightsearch.data import ImageData

    classes = {"model": lightsearch.Classifier, "data": ImageData}
    with pytest.raises(UserError, match=r"^metric = 'recall': is not logged; validation logs val_acc, val_loss$"):
        lightsearch.search(classes, name="x", metric="recall", workers=0)
    assert not (place / "studies" / "studies.db").exists()


def test_a_mistake_is_an_exception_with_the_same_lines(place: Path) -> None:
    import lightsearch

    with pytest.raises(UserError, match="max_epoch = 3: unknown key"):
        lightsearch.search({"name": "x", "model": lightsearch.Classifier, "data": dict, "max_epoch": 3}, workers=0)
    assert not (place / "studies" / "studies.db").exists()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"n_trials": "50"}, "n_trials = '50': write a whole number from 1"),
        ({"n_trials": True}, "n_trials = True: write a whole number from 1"),
        ({"pack": 0}, "pack = 0: write a whole number from 1"),
        ({"timeout": -1}, "timeout = -1: write seconds"),
        ({"storage": object()}, "storage = 'object': give a URL"),
        ({"name": "studies.db"}, "name = 'studies.db': "),
        ({"n_trial": 5}, 'n_trial = 5: unknown; did you mean "n_trials"?'),
        ({"sampelr": {}}, 'sampelr = {}: unknown; did you mean "sampler"?'),
        ({"storage": "mysql://host/db"}, "storage = 'mysql://...': Optuna supports this storage; lightsearch does not"),
        ({"seed": 2**80}, "seed = 1208925819614629174706176: should be less than 4294967296"),
        ({"given": b"x"}, "given = b'x': unknown key"),
        ({"data": {"class_path": "lightsearch.data.ImageData", 3: 4}}, "the study = 3: is a key that is not a string"),
        (
            {"trial_timeout": 9},
            "trial_timeout = 9: with workers=0 a trial runs in this process, which cannot be killed; ",
        ),
        ({"enqueue": [{"hidden_size": "wide"}]}, "enqueue[0].hidden_size = 'wide': hidden_size takes whole numbers"),
    ],
)
def test_wrong_options_are_a_line_too(place: Path, options: dict[str, Any], line: str) -> None:
    import lightsearch

    with pytest.raises(UserError) as refused:
        lightsearch.search("studies/digits.toml", **{"workers": 0, **options})
    (mistake,) = refused.value.mistakes
    assert str(mistake).startswith(line)
    assert not (place / "studies" / "studies.db").exists()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda ls: ls.retrain("x", top="3"), "top = '3': write a whole number from 1"),
        (lambda ls: ls.retrain("x", on="test"), 'on = \'test\': write "train+val" or "train"'),
        (lambda ls: ls.evaluate("x", trial=-1), "trial = -1: write a whole number from 0"),
        (lambda ls: ls.load("x", storage=3), "storage = 'int': give a URL"),
        (lambda ls: ls.load("x"), "storage = 'sqlite:///studies/studies.db': no such file; run a search first"),
    ],
)
def test_the_other_functions_name_mistakes_too(place: Path, call: Any, line: str) -> None:
    import lightsearch

    with pytest.raises(UserError) as refused:
        call(lightsearch)
    assert str(refused.value).startswith(line)
    assert [path.name for path in place.iterdir()] == ["studies"]


class Asks:
    """An objective whose second trial gets a signal, and goes on until it is stopped."""

    def __init__(self, number: int) -> None:
        self.number: int | None = number

    def __call__(self, trial: Any) -> float:
        x = float(trial.suggest_float("<i>x</i>", 0, 1))
        if trial.number == 1 and self.number is not None:
            number, self.number = self.number, None
            os.kill(os.getpid(), number)
            for step in range(2000):
                time.sleep(0.01)
                trial.report(x, step)
        for step in range(2):
            trial.report(x, step)
        return x


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_raised_once_all_is_saved_and_the_same_call_continues(
    place: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    import lightsearch

    objective = Asks(number)
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as raised:
        lightsearch.search(objective, 3, name="asked", workers=0)
    assert number == signal.SIGINT or raised.value.code == 143
    assert "lightsearch.load('asked') has the result" in capsys.readouterr().out
    stopped = lightsearch.load("asked")
    assert (stopped.ending, [trial.state.name for trial in stopped.study.trials]) == (
        "stopped",
        ["COMPLETE", "WAITING"],
    )
    done = lightsearch.search(objective, 3, name="asked", workers=0)
    loaded = lightsearch.load("asked")
    assert repr(loaded) == repr(done)
    assert loaded.results == done.results
    page = loaded._repr_html_()
    assert "<i>" not in page
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert page.count('<circle class="complete"') == 3
    assert page.count("<path") == 2  # the best so far, and the best trial's curve
    assert "http" not in page
    with pytest.raises(UserError, match=r'Give this one a name of its own \(name="asked-2"\), or undo') as refused:
        lightsearch.search(objective, 3, name="asked", seed=7, workers=0)
    assert "seed: 42 in the study, 7 in this call" in str(refused.value)
    with pytest.raises(UserError, match=r"^study = 'askd': no such study in the storage; there are: asked$"):
        lightsearch.load("askd")


def test_a_study_is_loaded_while_another_process_searches(place: Path) -> None:
    import lightsearch

    process = start("run", "--n-trials", 2, "--workers", 1, "--pack", "off", "--set", "trainer.max_epochs=200",
                    "--set", "trainer.patience=0", cwd=place)  # fmt: skip
    try:
        while not (place / "studies" / "digits" / "trial-0000" / "epochs.csv").exists():
            assert process.poll() is None
            time.sleep(0.05)
        running = lightsearch.load("studies/digits.toml")
        assert (running.ending, running.best) == ("running", None)
        assert "No trial is complete yet." in running._repr_html_()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(60)
    assert process.returncode == 130
    assert lightsearch.load("digits").ending == "stopped"


def test_every_public_name_is_there() -> None:
    names: dict[str, Any] = {}
    exec("from lightsearch import *", names)
    import lightsearch

    assert set(lightsearch.__all__) == names.keys() - {"__builtins__"}
    assert dir(lightsearch) == sorted([*lightsearch.__all__, "__version__"])
