"""The studies in studies/examples: modules of every kind, none written for lightsearch."""

from __future__ import annotations

import csv
import itertools
import shutil
from pathlib import Path

import optuna
import pytest

from lightsearch.report.facts.facts import gather
from lightsearch.report.facts.headline import headline
from tests.conftest import ROOT, command

EXAMPLES = sorted(file.stem for file in (ROOT / "studies" / "examples").glob("*.toml"))


@pytest.fixture
def examples(place: Path) -> Path:
    """A folder to search in, with the examples."""
    shutil.copytree(ROOT / "studies" / "examples", place / "studies" / "examples")
    return place


def search(place: Path, name: str, *options: object) -> optuna.Study:
    done = command("run", "--study", f"studies/examples/{name}.toml", *options, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr
    return optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name=name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_first_line_is_the_command(name: str) -> None:
    first = (ROOT / "studies" / "examples" / f"{name}.toml").read_text().splitlines()[0]
    assert first.startswith(f"# python -m search.run --study studies/examples/{name}.toml --n-trials ")


def test_regression_with_a_list_a_condition_a_baseline_and_a_constraint(examples: Path) -> None:
    short = (
        "--set",
        "trainer.max_epochs=3",
        "--set",
        "constraints.parameters=1500",
        "--set",
        "pruner={name='NopPruner'}",
    )
    study = search(examples, "tabular", "--n-trials", 8, *short)
    assert study.direction.name == "MINIMIZE"
    first = study.trials[0].params  # what the signatures say
    assert (
        first.items() >= {"hidden_sizes.length": 1, "hidden_sizes.0": 32, "optimizer": "adam", "batch_size": 32}.items()
    )
    for trial in study.trials:
        length = trial.params["hidden_sizes.length"]
        assert sum(name.startswith("hidden_sizes.") for name in trial.params) == 1 + length
        assert ("momentum" in trial.params) == (trial.params["optimizer"] == "sgd")
        widths = [10, *(trial.params[f"hidden_sizes.{i}"] for i in range(length)), 1]
        count = sum((before + 1) * after for before, after in itertools.pairwise(widths))
        infeasible = trial.user_attrs["result"]["stop_reason"] == "infeasible"
        assert infeasible == (count > 1500)
        assert trial.state.name == ("PRUNED" if infeasible else "COMPLETE")
        if infeasible:
            assert trial.user_attrs["result"]["metrics"] == {"parameters": count}
            assert trial.user_attrs["result"]["epochs"] == 0
    assert {trial.state.name for trial in study.trials} == {"PRUNED", "COMPLETE"}
    tested = command("evaluate", "--study", "studies/examples/tabular.toml", cwd=examples)
    assert tested.returncode == 0, tested.stderr
    assert "test_mse" in tested.stdout
    again = command("retrain", "--study", "studies/examples/tabular.toml", "--reproduce", 0, cwd=examples)
    assert again.returncode == 0, again.stdout + again.stderr
    assert command("report", "--study", "tabular", cwd=examples).returncode == 0


def test_a_convolutional_network_whose_trials_log_through_lightning(examples: Path) -> None:
    study = search(examples, "cnn", "--n-trials", 2, "--set", "trainer.max_epochs=2")
    for trial in study.trials:
        folder = examples / "studies" / "cnn" / f"trial-{trial.number:04d}" / "cnn" / f"trial-{trial.number:04d}"
        with (folder / "metrics.csv").open() as file:
            logged = [float(row["val_acc"]) for row in csv.DictReader(file) if row["val_acc"]]
        assert logged == pytest.approx(list(trial.intermediate_values.values()))
    assert "standard error on 300 validation samples" in headline(gather(study)).note  # as the trials have seen


def test_a_stream_validated_every_n_steps(examples: Path) -> None:
    study = search(examples, "transformer", "--n-trials", 2, "--set", "pruner={name='NopPruner'}")
    for trial in study.trials:
        assert list(trial.intermediate_values) == [0, 1, 2, 3]  # two epochs of 50 steps
        assert trial.value == max(trial.intermediate_values.values())
        assert trial.user_attrs["result"]["best_epoch"] == max(
            trial.intermediate_values, key=lambda step: trial.intermediate_values[step]
        )


def test_a_module_of_lightning_pytorch_with_two_optimizers(examples: Path) -> None:
    study = search(examples, "autoencoder", "--n-trials", 2, "--set", "trainer.max_epochs=3")
    for trial in study.trials:
        assert trial.value == min(trial.intermediate_values.values())
        assert "train_loss" in trial.user_attrs["result"]["metrics"]


def test_a_new_study_file_runs_as_it_is(examples: Path) -> None:
    shutil.move(examples / "studies" / "examples" / "tabular.py", examples / "mine.py")
    made = command("new", "--model", "mine.Regressor", "--data", "mine.Table", "--name", "fresh", cwd=examples)
    assert made.returncode == 0, made.stderr
    text = (examples / "studies" / "fresh.toml").read_text()
    for line in (
        "# lightsearch run --study fresh --n-trials 20",
        'metric = "val_mse"',
        'direction = "minimize"',
        "hidden_sizes = { list = { int = [16, 256], log = true }, length = [1, 3], prior = [32] }",
        "learning_rate = { float = [1e-4, 1e-1], log = true, prior = 1e-3 }",
        "batch_size = { choice = [32, 64, 128, 256], prior = 32 }",
        '# init_args.optimizer = "adam"',
    ):
        assert line in text, text
    done = command(
        "run", "--study", "studies/fresh.toml", "--n-trials", 1, "--set", "trainer.max_epochs=2", cwd=examples
    )
    assert done.returncode == 0, done.stdout + done.stderr
    again = command("new", "--model", "mine.Regressor", "--name", "fresh", cwd=examples)
    assert again.returncode == 2
    assert "exists; choose another name" in again.stderr


def test_mistakes_cost_no_trial(examples: Path) -> None:
    mistakes = {
        "space.model.hidden_size={int=[1, 2]}": 'Regressor has no argument hidden_size; did you mean "hidden_sizes"?',
        'space.model.dropout={choice=["much"]}': "Regressor takes float for dropout, not 'much'",
        "space.model.hidden_sizes={list={float=[1.0, 4.0]}, length=2}": "for hidden_sizes, not [1.0]",
        "model.init_args={optimizer=3}": "Regressor takes str for optimizer, not 3",
        "logger.class_path=subprocess.Popen": "logger.class_path = 'subprocess.Popen': is no loggers.Logger",
    }
    options = [word for override in mistakes for word in ("--set", override)]
    refused = command("run", "--study", "studies/examples/tabular.toml", *options, cwd=examples)
    assert refused.returncode == 2, refused.stdout
    for line in mistakes.values():
        assert line in refused.stderr, refused.stderr
    assert not (examples / "studies" / "studies.db").exists()
