"""Several objectives: declared, searched, ranked by their Pareto front, tested and reported."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from plotly import graph_objects
from rich.console import Console

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.validation import validate
from lightsearch.display.live import LiveDisplay
from lightsearch.errors import UserError
from lightsearch.outcome import Diverged, Kind, Outcome
from lightsearch.report import FILES, write_report
from lightsearch.report.facts.facts import gather
from lightsearch.report.plots.pareto_front import pareto_front
from lightsearch.report.tables.epoch_table import epoch_table
from lightsearch.report.tables.trial_table import trial_table
from lightsearch.study import sampler_checks
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.worker_trial import attach_trial
from lightsearch.training.components import Components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.pruning import MissingMetric, MultiObjectivePruningCallback
from studies.examples.tabular import Regressor, Table
from tests.conftest import ROOT, command, digits, open_queue
from tests.study.test_pareto import brute_force

OWN = "pruner.name=DominatedPruner"
TWO = ('metric=["val_acc", "parameters"]', 'direction=["maximize", "minimize"]', OWN)
SHORT = (*TWO, "pruner={name='NopPruner'}", "trainer.max_epochs=3", "keep_top_k=1")
OPTIONS = [word for override in SHORT for word in ("--set", override)]


def mistakes(*overrides: str) -> list[str]:
    declared = read_declaration(ROOT / "studies" / "digits.toml", list(overrides))
    return [str(mistake) for mistake in validate(declared)[1] + sampler_checks.check(declared)]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ((TWO[0], OWN), "direction = 'maximize': there are 2 metrics; write 2 directions"),
        (TWO[1:2], "direction = ['maximize', 'minimize']: there is 1 metric; write 1 direction"),
        ((TWO[0], OWN, 'direction=["maximize", "less"]'), "direction = ['maximize', 'less']: should be 'maximize' or"),
        (("direction=less",), "direction = 'less': should be 'maximize' or 'minimize'"),
        (('metric=["latency_ms", "val_acc"]', *TWO[1:]), "begins with latency_ms, which is measured once"),
        (('metric=["val_acc", "val_acc"]', *TWO[1:]), "names val_acc twice; name each objective once"),
        (('metric=["val_acc", 3]', *TWO[1:]), "metric.1 = 3: should be a valid string"),
        (("direction=[]",), "direction = []: there is 1 metric; write 1 direction"),
        (("metric=[]",), "metric = []: names no metric"),
        ((*TWO, "sampler={name='CmaEsSampler'}"), "sampler.name = 'CmaEsSampler': cannot do several objectives; use"),
    ],
)
def test_mistakes_in_one_line(overrides: tuple[str, ...], line: str) -> None:
    (said,) = mistakes(*overrides)
    assert line in said


@pytest.mark.parametrize("name", ["TPESampler", "NSGAIISampler", "RandomSampler", "QMCSampler", "BruteForceSampler"])
def test_samplers_that_can(name: str) -> None:
    discrete = "space.model.learning_rate={choice=[0.1]}"
    assert not mistakes(*TWO, f"sampler={{name='{name}'}}", discrete)
    assert not mistakes(*TWO, "sampler={name='TPESampler', init_args={multivariate=true, group=true}}")


def test_one_objective_is_declared_and_kept_as_ever() -> None:
    study_file = digits()
    assert (study_file.metric, study_file.direction, study_file.multi_objective) == ("val_acc", "maximize", False)
    assert study_file.measured == []
    assert study_file.fingerprint()["metric"] == "val_acc"
    assert study_file.fingerprint()["direction"] == "maximize"
    assert digits('metric=["val_acc"]', 'direction=["maximize"]') == study_file
    declared = read_declaration(ROOT / "studies" / "digits.toml", [])
    del declared["metric"], declared["direction"]
    assert validate(declared) == (study_file, [])
    assert validate(study_file.model_dump(by_alias=True, exclude_none=True)) == (study_file, [])


def test_several_objectives_are_kept_and_read_again() -> None:
    study_file = digits(*TWO, "constraints.latency_ms=5.0")
    print_ = study_file.fingerprint()
    assert print_["metric"] == ["val_acc", "parameters"]
    assert print_["direction"] == ["maximize", "minimize"]
    assert study_file.measured == ["parameters", "latency_ms"]
    assert study_file.logged == ["val_acc"]
    again, wrong = validate({"name": "digits", **print_})
    assert not wrong
    assert again is not None
    assert again.fingerprint() == print_


def test_other_objectives_are_another_study(tmp_path: Path) -> None:
    queue = open_queue(digits(*TWO), tmp_path)
    done = queue.ask(5)
    assert isinstance(done, TrialAssignment)
    queue.tell(done, Outcome(number=0, kind=Kind.COMPLETE, value=0.75, metrics={"val_acc": 0.75, "parameters": 9}))
    with pytest.raises(UserError, match=r"metric: \['val_acc', 'parameters'\] in the study, 'val_acc' in the file"):
        open_queue(digits(), tmp_path)


def test_the_live_display_shows_the_front_and_the_epochs(place: Path) -> None:
    queue = open_queue(digits(*TWO), place)
    done, running = queue.ask(5), queue.ask(5)
    assert isinstance(done, TrialAssignment)
    assert isinstance(running, TrialAssignment)
    queue.tell(done, Outcome(number=0, kind=Kind.COMPLETE, value=0.75, metrics={"val_acc": 0.75, "parameters": 9}))
    attach_trial(queue.study_file, queue.url, running.trial_id).trial.report_all([0.625, 9], 3)
    screen = Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)
    directions = ["maximize", "minimize"]
    with LiveDisplay(screen, name="digits", metric="val_acc", direction=directions, n_trials=5) as display:
        display.update(queue.study)
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"best val_acc: 0.75  trial 0 .*, front of 1", text)
    assert re.search(r"trial 1 +4 +0.625", text)


def test_the_report_draws_spreads() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for latency in (1.0, 1.5):
        study.add_trial(create_trial(values=[0.9, latency], user_attrs={"spreads": [0.0, 0.6]}))
    (plot,) = pareto_front(gather(study), epoch_table(study))
    others, front = plot.data
    assert floats(front["error_x"]["array"]) == [0.3, 0.3]
    assert front["mode"] == "markers"
    assert not {"error_x", "error_y"} & set(others) | {"error_y"} & set(front)
    graph_objects.Scatter(error_x=front["error_x"])  # refuses what Plotly does not know


class Diverging(Regressor):
    """Logs a second metric that is no number in its second epoch."""

    def on_validation_epoch_end(self) -> None:
        self.log("val_other", float("nan") if self.current_epoch == 1 else 0.5)


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (["val_mse", "val_other"], Diverged, "val_other is nan in epoch 2"),
        (["val_mse", "val_none"], MissingMetric, 'metric = "val_none"'),
    ],
)
def test_every_logged_objective_must_be_there_and_finite(
    tmp_path: Path, names: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        fit(
            Components(Diverging(), Table(), 1, {"max_epochs": 3}),
            WithValidation("val_mse", "min"),
            folder=tmp_path,
            log=EpochLog(None),
            callbacks=[MultiObjectivePruningCallback(None, names, {})],
        )


def floats(packed: dict[str, str]) -> list[float]:
    content = base64.b64decode(packed["bdata"])
    return list(struct.unpack(f"<{len(content) // 8}d", content))


def figures_of(page: str) -> list[dict[str, Any]]:
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    figures: list[dict[str, Any]] = json.loads(re.sub("\ue000[a-z-]+", "#336699", data[1]))["figures"]
    for figure in figures:
        graph_objects.Figure(data=figure["data"], layout=figure["layout"])  # refuses what Plotly does not know
    return figures


@pytest.mark.slow
def test_accuracy_against_parameters_from_the_search_to_the_report(place: Path) -> None:
    done = command("run", "--n-trials", 5, *OPTIONS, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    done = command("run", "--n-trials", 8, *OPTIONS, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    last = r"\[8/8\] trial \d complete +0\.\d+  parameters +\d+ .* \| best 0\.\d+ \(trial \d\), front of \d"
    assert re.search(last, done.stdout)
    assert "trial  val_acc  parameters  best epoch" in done.stdout

    study = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="digits")
    assert study.metric_names == ["val_acc", "parameters"]
    for trial in study.trials:
        hidden = trial.params["hidden_size"]
        assert trial.state is TrialState.COMPLETE
        assert trial.values == [trial.user_attrs["result"]["value"], hidden**2 + 80 * hidden + 10]
        assert not trial.intermediate_values
    assert len(study.trials) == 8
    expected = brute_force(study.trials, ["maximize", "minimize"])
    folder = place / "studies" / "digits"
    results = json.loads((folder / "results.json").read_text())
    assert {entry["number"] for entry in results["front"]} == expected
    assert results["best"] == results["front"][0]
    assert [list(entry["values"].values()) for entry in results["front"]] == [
        study.trials[entry["number"]].values for entry in results["front"]
    ]
    assert {int(file.parent.name[-4:]) for file in folder.glob("trial-*/best.ckpt")} == expected

    again = command("run", "--n-trials", 8, *OPTIONS, cwd=place)
    assert again.returncode == 0
    assert "complete" not in again.stdout.partition("digits: done")[0]
    assert len(study.trials) == 8
    status = command("status", "--study", "digits", cwd=place).stdout
    assert status.startswith("digits: maximize val_acc, minimize parameters, 8 trials")
    assert {int(number) for number in re.findall(r"^front +trial (\d)", status, re.MULTILINE)} == expected
    assert command("status", cwd=place).returncode == 0

    tested = command("evaluate", "--study", "digits", cwd=place)
    assert tested.returncode == 0, tested.stderr
    assert {int(row) for row in re.findall(r"^ +(\d) +0\.\d+ +\d+ ", tested.stdout, re.MULTILINE)} == expected
    one = command("evaluate", "--study", "digits", "--trial", min(expected), cwd=place)
    assert f"trial {min(expected)} of digits" in one.stdout
    assert f"evaluation number {len(expected) + 1} of" in one.stdout
    kept = study.user_attrs["test_evaluations"]
    assert {use["trial"] for use in kept[:-1]} == expected
    assert [use["ordinal"] for use in kept] == list(range(1, len(expected) + 2))
    assert all(use["values"]["parameters"] == study.trials[use["trial"]].values[1] for use in kept)

    retrained = command("retrain", "--study", "digits", cwd=place)
    assert retrained.returncode == 2
    assert retrained.stderr.startswith("--study = 'digits': has several objectives; choose a trial of its front")

    reported = command("report", "--study", "digits", cwd=place)
    assert reported.returncode == 0, reported.stderr
    check_report(place, study, expected)


def check_report(place: Path, study: optuna.Study, expected: set[int]) -> None:
    summary = json.loads((place / "reports" / "digits" / "summary.json").read_text())
    assert {entry["number"] for entry in summary["front"]} == expected
    assert summary["headline"].startswith(f"The Pareto front has {len(expected)} of 8 complete trials: val_acc ")
    frame = trial_table(study)
    assert list(frame["values_parameters"]) == [trial.values[1] for trial in study.trials]
    assert list(frame["value"]) == list(frame["values_val_acc"])
    others, front = figures_of((place / "reports" / "digits" / "report.html").read_text())[0]["data"]
    drawn = list(zip(floats(front["y"]), floats(front["x"]), strict=True))
    assert sorted(drawn) == sorted(tuple(study.trials[number].values) for number in expected)
    assert len(floats(others["x"])) == 8 - len(expected)
    assert floats(front["x"]) == sorted(floats(front["x"]))  # a staircase


def test_a_latency_is_an_objective_from_python(place: Path) -> None:
    import lightsearch

    declared = read_declaration(place / "studies" / "digits.toml", ["trainer.max_epochs=2", "name=fast", OWN])
    declared |= {"metric": ["val_acc", "val_loss", "latency_ms"], "direction": ["maximize", "minimize", "minimize"]}
    result = lightsearch.search(declared, n_trials=3, workers=1)
    assert result.ending == "done"
    assert {one.number for one in result.front} == brute_force(result.study.trials, declared["direction"])
    assert all(one.metrics["latency_ms"] > 0 for one in result.front)
    for trial, spread in zip(result.study.trials, result.trials()["metrics_latency_ms_spread"], strict=True):
        assert trial.user_attrs["spreads"] == [0.0, 0.0, spread]
        assert spread > 0
    assert result.best == result.front[0]
    assert f"front of {len(result.front)}>" in repr(result)
    assert result.study.trials[0].values[1] == result.trials()["metrics_val_loss"][0]


def test_a_report_of_another_programs_objectives(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="other", directions=["minimize", "minimize"])

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 2)
        trial.set_constraint("x", x - 1.8)
        return x**2, (x - 2) ** 2

    study.optimize(objective, n_trials=20)
    study.add_trial(create_trial(values=[0.0, float("inf")]))
    write_report(study, tmp_path / "report", tmp_path / "none")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(FILES)
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    expected = {trial.number for trial in study.best_trials if trial.number < 20}
    assert {entry["number"] for entry in summary["front"]} == expected
    assert [one["name"] for one in summary["objectives"]] == ["value_0", "value_1"]
    page = (tmp_path / "report" / "report.html").read_text()
    assert figures_of(page)[0]["data"][1]["line"]["shape"] == "hv"
    assert "The objectives against each other" in page
    empty = optuna.create_study(directions=["minimize", "maximize"])
    assert write_report(empty, tmp_path / "empty")["headline"].startswith("No trial of")
