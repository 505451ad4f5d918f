"""Tables: one row a trial, one row an epoch, and types that survive a file."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from lightsearch.report.readers import utc_times
from lightsearch.report.tables.epoch_table import epoch_table
from lightsearch.report.tables.table_files import write_table
from lightsearch.report.tables.trial_table import trial_table

SPACE: dict[str, BaseDistribution] = {
    "hidden_size": IntDistribution(16, 256, log=True),
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "batch_size": CategoricalDistribution((32, 64)),
    "activation": CategoricalDistribution(("relu", "gelu", "tanh")),
    "bias": CategoricalDistribution((True, False)),
    "mixed": CategoricalDistribution(("auto", 1)),
}


def result(number: int, **changes: Any) -> dict[str, Any]:
    told = {
        "number": number, "attempt": 1, "value": 0.9, "best_epoch": 1, "epochs": 3, "stop_reason": "early_stopping",
        "metrics": {"val_acc": 0.9, "val_loss": 0.3}, "seed": 2**32 - 1 - number, "seconds": 1.5,
        "checkpoint": f"trial-{number:04d}/best.ckpt", "sha256": "ab", "device": "cpu", "error": None,
    }  # fmt: skip
    return {**told, **changes}


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study(direction="maximize", study_name="digits")
    study.set_user_attr("metric", "val_acc")
    params = {
        "hidden_size": 64,
        "learning_rate": 1e-3,
        "batch_size": 32,
        "activation": "gelu",
        "bias": True,
        "mixed": 1,
    }
    study.add_trial(
        create_trial(
            params=params,
            distributions=SPACE,
            value=0.9,
            intermediate_values={0: 0.5, 1: 0.9, 2: 0.8},
            user_attrs={"kind": "complete", "result": result(0), "attempt": 1},
        )
    )
    error = {"type": "Diverged", "message": "train_loss is nan", "traceback": "..."}
    told = result(1, value=None, best_epoch=None, epochs=0, metrics={}, stop_reason="Diverged", error=error)
    study.add_trial(
        create_trial(
            state=TrialState.FAIL,
            params=params,
            distributions=SPACE,
            user_attrs={"kind": "diverged", "result": told, "attempt": 2},
        )
    )
    # Another program's trials.
    study.add_trial(create_trial(value=0.5))
    study.add_trial(create_trial(value=0.5, user_attrs={"result": "x", "kind": 3, "lease": "y"}))
    study.add_trial(create_trial(state=TrialState.PRUNED, value=math.inf, intermediate_values={0: math.nan}))
    return study


def test_a_text_that_a_spreadsheet_would_run_is_quoted_in_the_csv_alone(tmp_path: Path) -> None:
    evil = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "-1e-3", "plain", None]
    frame = pd.DataFrame(
        {
            "number": pd.array(range(10), dtype="int64"),
            "value": [-1.5] * 10,
            "text": pd.array(evil, dtype="str"),
            "choice": pd.Categorical(evil),
        }
    )
    csv_file, parquet = write_table(frame, tmp_path / "trials")
    cells = pd.read_csv(csv_file, keep_default_na=False, lineterminator="\n")
    for name in ("text", "choice"):
        shown = cells[name].tolist()
        assert shown == [f"'{text}" for text in evil[:7]] + ["-1e-3", "plain", ""]
        assert [text.removeprefix("'") for text in shown[:7]] == evil[:7]
        back = pd.read_parquet(parquet)[name].astype(object)
        assert back.where(back.notna(), None).tolist() == evil
    assert cells["value"].tolist() == [-1.5] * 10
    assert cells["number"].tolist() == list(range(10))


def test_trials(study: optuna.Study) -> None:
    frame = trial_table(study)
    assert list(frame["number"]) == [0, 1, 2, 3, 4]
    assert list(frame["state"]) == ["complete", "fail", "complete", "complete", "pruned"]
    assert list(frame["kind"].astype(object).where(frame["kind"].notna(), None)) == [
        "complete", "diverged", None, None, None
    ]  # fmt: skip
    assert frame["value"].tolist()[:1] == [0.9]
    assert frame["value"].isna().tolist() == [False, True, False, False, True]
    first, failed = frame.iloc[0], frame.iloc[1]
    assert (first["params_hidden_size"], first["params_activation"], first["params_mixed"]) == (64, "gelu", "1")
    assert first["metrics_val_loss"] == 0.3
    assert first["seed"] == 2**32 - 1
    assert (failed["error_type"], failed["error_message"]) == ("Diverged", "train_loss is nan")
    assert failed["attempt"] == 2


def test_types_survive_parquet(study: optuna.Study, tmp_path: Path) -> None:
    frame = trial_table(study)
    types = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert types["params_hidden_size"] == types["params_batch_size"] == types["best_epoch"] == types["seed"] == "Int64"
    assert types["params_learning_rate"] == "float64"
    assert types["params_bias"] == "boolean"
    assert types["state"] == types["kind"] == types["params_activation"] == "category"
    assert types["started"] == types["ended"] == "datetime64[us, UTC]"
    assert list(frame["params_activation"].cat.categories) == ["relu", "gelu", "tanh"]
    files = write_table(frame, tmp_path / "trials")
    assert [file.name for file in files] == ["trials.csv", "trials.parquet"]
    pd.testing.assert_frame_equal(pd.read_parquet(files[1]), frame)
    text = pd.read_csv(files[0])
    assert list(text.columns) == list(frame.columns)
    assert text["value"].tolist()[0] == 0.9
    assert text["started"][0].endswith("Z")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trials.csv", "trials.parquet"]


@pytest.mark.parametrize("name", ["no trial", "no attributes"])
def test_a_study_with_little_in_it(name: str, tmp_path: Path) -> None:
    study = optuna.create_study()
    if name == "no attributes":
        study.add_trial(create_trial(value=1.0))
    trials, epochs = trial_table(study), epoch_table(study, tmp_path)
    assert (len(trials), len(epochs)) == (len(study.trials), 0)
    for frame in (trials, epochs):
        write_table(frame, tmp_path / "frame")


def test_epochs_join_the_storage_and_the_files(study: optuna.Study, tmp_path: Path) -> None:
    folder = tmp_path / "trial-0000"
    folder.mkdir()
    (folder / "epochs.csv").write_text(
        "epoch,val_loss,val_acc,seconds\n0,1.5,0.5,0.1\n1,0.3,0.9,0.2\n2,0.4,0.8,\n3,0.", "utf-8"
    )
    frame = epoch_table(study, tmp_path)
    assert frame[frame["number"] == 0]["value"].tolist() == [0.5, 0.9, 0.8]
    assert frame["metrics_val_loss"].tolist()[:3] == [1.5, 0.3, 0.4]
    assert math.isnan(frame["seconds"].tolist()[2])


def test_epochs_of_several_objectives_are_in_the_storage(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    attrs = {"epoch_values": {"0": [0.5, 9.0], "10": [0.75, 9.0], "2": [0.625, 9.0]}}
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attrs))
    frame = epoch_table(study, tmp_path)
    assert frame[["number", "epoch", "value"]].to_numpy().tolist() == [[0, 0, 0.5], [0, 2, 0.625], [0, 10, 0.75]]
    assert trial_table(study)["value"].tolist() == [0.75]


def test_files_of_another_study_are_left_out(study: optuna.Study, tmp_path: Path) -> None:
    (tmp_path / "trial-0000").mkdir()
    (tmp_path / "trial-0000" / "epochs.csv").write_text("epoch,val_loss,val_acc\n0,1.5,0.1\n", "utf-8")
    assert "metrics_val_loss" not in epoch_table(study, tmp_path)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
def test_times_are_utc_wherever_they_were_written() -> None:
    noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
    local = create_trial(value=1.0)
    local.datetime_start, local.datetime_complete = datetime(2026, 1, 15, 7), datetime(2026, 1, 15, 7, 1)
    assert utc_times(local)[0] == noon
    # Written by a machine in Delhi, as the lease shows.
    far = create_trial(value=1.0, user_attrs={"lease": noon.timestamp() + 120})
    far.datetime_start, far.datetime_complete = datetime(2026, 1, 15, 17, 30), datetime(2026, 1, 15, 17, 30, 50)
    assert utc_times(far) == (noon, noon.replace(second=50))


def test_scripts_and_notebooks_have_them_as_one_module(study: optuna.Study, tmp_path: Path) -> None:
    from lightsearch import tables

    pd.testing.assert_frame_equal(tables.trials(study), trial_table(study))
    pd.testing.assert_frame_equal(tables.epochs(study, tmp_path), epoch_table(study, tmp_path))
