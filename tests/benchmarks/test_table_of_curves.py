"""The table of real learning curves: recorded in packs, and as a problem of the yardstick."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.benchmarks.search_efficiency import record_table
from tests.benchmarks.search_efficiency.problem import Scale
from tests.benchmarks.search_efficiency.table import Table


def test_the_table_answers_with_the_nearest_configuration_that_is_free(tmp_path: Path) -> None:
    rows = [
        {
            "configuration": number,
            "seed": seed,
            "hidden_size": 64,
            "learning_rate": rate,
            "batch_size": batch_size,
            "epoch": epoch,
            "val_acc": number / 10 + epoch / 100 + seed,
            "val_loss": 1.0 - number / 10,
        }
        for seed in (0, 1)
        for number, (rate, batch_size) in enumerate([(1e-4, 32), (1e-2, 32), (1e-1, 64)])
        for epoch in (1, 2)
    ]
    file = tmp_path / "table.parquet"
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_parquet(file)
    table = Table(file)
    assert table.epochs == 2
    assert table.scales["1"] == pytest.approx(Scale(median=1.12, highest=1.22))
    assert Table(file, "val_loss").scales["1"] == pytest.approx(Scale(median=-0.9, highest=-0.8))
    train = table.objective("0")
    at = {"hidden_size": 64, "learning_rate": 0.1, "batch_size": 32}
    answers = [train(at).values.tolist() for _ in range(4)]
    in_order = [0.11, 0.12], [0.01, 0.02], [0.21, 0.22], [0.11, 0.12]
    assert answers == [pytest.approx(values) for values in in_order]
    assert table.objective("0")(at).values.tolist() == pytest.approx([0.11, 0.12])  # another search


def test_a_table_is_recorded_in_packs_and_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record_table, "EPOCHS", 2)
    out, study_file = tmp_path / "table.parquet", record_table.digits_study()
    todo = record_table.blocks(study_file, count=4, seeds=2, size=3)
    parts = out.with_name("table.parquet.parts")
    parts.mkdir()
    todo[0].train().to_parquet(parts / todo[0].file_name, index=False)
    record_table.record(out, todo)
    assert "3/3 blocks" in capsys.readouterr().out
    assert not parts.exists()
    rows = pd.read_parquet(out)
    assert list(rows.columns) == list(record_table.COLUMNS)
    assert rows.groupby(["configuration", "seed"])["epoch"].apply(list).tolist() == [[1, 2]] * 8
    same = rows.groupby("configuration")[["hidden_size", "learning_rate", "batch_size"]].nunique()
    assert (same == 1).all(axis=None)
    lasts = rows[rows["epoch"] == 2].pivot(index="configuration", columns="seed", values="val_loss")
    assert (lasts[0] != lasts[1]).all()
    assert rows["val_acc"].max() > 0.5
    assert Table(out).epochs == 2


def test_the_table_that_is_kept_is_whole() -> None:
    file = Path(record_table.__file__).parent / "digits.parquet"
    rows = pd.read_parquet(file)
    counts = rows.groupby(["seed", "configuration"])["epoch"].nunique()
    assert (counts == record_table.EPOCHS).all()
    assert len(rows) == counts.sum()
    assert rows.groupby("seed")["configuration"].nunique().nunique() == 1
    assert rows["val_acc"].between(0, 1).all()
