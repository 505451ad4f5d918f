"""A fit: its files, its log, its stopping rules, the keyword arguments of the Trainer."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from pytorch_lightning import Callback, Trainer, seed_everything

from lightsearch import Classifier
from lightsearch.data import ImageData
from lightsearch.outcome import Diverged
from lightsearch.training.pruning import PruningCallback
from lightsearch.training.seeding import SeedEpochs
from tests.training.fits import StopAfter, curve, model, train


def test_a_module_of_either_copy_of_lightning_trains_the_same(tmp_path: Path) -> None:
    import lightning.pytorch

    class Other(lightning.pytorch.LightningModule):
        """The classifier, deriving from lightning.pytorch; its data derive from pytorch_lightning."""

    for name, value in vars(Classifier).items():
        if name not in ("__dict__", "__weakref__", "__doc__", "__init__"):
            setattr(Other, name, value)
    Other.__init__ = _init_other  # type: ignore[method-assign,assignment]
    torch.manual_seed(1)
    _, ours = train(tmp_path / "ours", model=Classifier(in_features=64, num_classes=10, hidden_size=16))
    torch.manual_seed(1)
    with pytest.raises(KeyError):
        train(tmp_path / "other", StopAfter(2), model=Other())
    fitted, other = train(tmp_path / "other", model=Other())
    assert curve(other) == curve(ours)
    assert fitted.stop_reason == "max_epochs"


def _init_other(self: Any) -> None:
    super(type(self), self).__init__()
    built = Classifier(in_features=64, num_classes=10, hidden_size=16)
    for name, module in built.named_children():
        self.add_module(name, module)
    self.learning_rate, self.lr_schedule = built.learning_rate, built.lr_schedule
    self.train_loss_sum, self.train_count = torch.zeros(()), 0


def test_the_best_checkpoint_is_that_of_the_best_epoch(tmp_path: Path) -> None:
    _, log = train(tmp_path, keywords={"max_epochs": 8}, model=model(3))
    best = log.best("val_acc", "max")
    assert best is not None
    assert best["val_acc"] == max(row["val_acc"] for row in log.history)
    checkpoint = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert checkpoint["epoch"] == best["epoch"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 7


def test_the_files_of_a_trial(tmp_path: Path) -> None:
    fitted, log = train(tmp_path, save_top_k=2)
    assert fitted.device == "cpu"
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names[0] == "best.ckpt"
    assert names[-2:] == ["epochs.csv", "last.ckpt"]
    assert len([name for name in names if name.startswith("epoch-")]) == 2
    with (tmp_path / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"epoch", "train_loss", "val_loss", "val_acc", "seconds"}
    assert [float(row["val_acc"]) for row in rows] == [row["val_acc"] for row in log.history]


def test_early_stopping_waits_for_its_patience(tmp_path: Path) -> None:
    fitted, log = train(tmp_path, patience=2, keywords={"max_epochs": 50}, min_delta=1.1)
    assert fitted.stop_reason == "early_stopping"
    assert len(log.history) == 3


def test_a_metric_can_be_minimised(tmp_path: Path) -> None:
    _, log = train(tmp_path, metric="val_loss", mode="min")
    best = log.best("val_loss", "min")
    assert best is not None
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == best["epoch"]
    assert best["val_loss"] == min(row["val_loss"] for row in log.history)


def test_a_loss_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    diverging = Classifier(in_features=64, num_classes=10, hidden_size=16, learning_rate=1e30)
    with pytest.raises(Diverged, match=r"loss is (nan|inf)"):
        train(tmp_path, model=diverging)


@pytest.mark.parametrize(
    "keywords",
    [
        {"precision": "bf16-mixed"},
        {"gradient_clip_val": 0.5},
        {"accumulate_grad_batches": 2},
        {"limit_train_batches": 2, "log_every_n_steps": 1},
        {"max_time": {"minutes": 5}},
    ],
)
def test_other_keywords_of_the_trainer(tmp_path: Path, keywords: dict[str, Any]) -> None:
    _, log = train(tmp_path, keywords=keywords)
    assert len(log.history) == 4
    assert log.history[-1]["train_loss"] < log.history[0]["train_loss"]


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(tmp_path)
    assert capfd.readouterr().out == ""


def test_validation_every_second_epoch(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    keywords = {"max_epochs": 7, "check_val_every_n_epoch": 2}
    _, log = train(tmp_path / "whole", PruningCallback(study.ask(), "val_acc"), keywords=keywords, save_top_k=4)
    assert [row["epoch"] for row in log.history] == list(range(7))
    assert all(("val_acc" in row, "val_loss" in row) == (row["epoch"] % 2 == 1,) * 2 for row in log.history)
    assert all("train_loss" in row for row in log.history)
    values = {row["epoch"]: row["val_acc"] for row in log.history if "val_acc" in row}
    assert study.trials[0].intermediate_values == values
    names = {file.name for file in (tmp_path / "whole").glob("epoch-*")}
    assert names == {f"epoch-{epoch:03d}.ckpt" for epoch in (1, 3, 5)}
    best = log.best("val_acc", "max")
    assert best is not None
    assert torch.load(tmp_path / "whole" / "best.ckpt", weights_only=True)["epoch"] == best["epoch"]
    assert torch.load(tmp_path / "whole" / "last.ckpt", weights_only=True)["epoch"] == 6
    for epoch in (2, 3):  # without a validation, and with one
        folder = tmp_path / f"resumed-{epoch}"
        torch.manual_seed(1)
        with pytest.raises(KeyError):
            train(folder, StopAfter(epoch), model=model(1), keywords=keywords)
        _, resumed = train(folder, model=model(2), keywords=keywords)
        _, uninterrupted = train(tmp_path / f"whole-{epoch}", model=model(1), keywords=keywords)
        assert curve(resumed) == curve(uninterrupted)


def test_patience_and_pruning_count_validations(tmp_path: Path) -> None:
    keywords = {"max_epochs": 30, "check_val_every_n_epoch": 2}
    fitted, log = train(tmp_path / "stopped", patience=1, keywords=keywords, min_delta=1.0)
    assert (fitted.stop_reason, len(log.history)) == ("early_stopping", 4)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=2))
    callback = PruningCallback(study.ask(), "val_acc")
    _, log = train(tmp_path / "pruned", callback, keywords=keywords)
    assert (callback.pruned_epoch, len(log.history)) == (1, 2)


def test_validation_after_every_batch(tmp_path: Path) -> None:
    _, log = train(tmp_path, keywords={"max_epochs": 1, "val_check_interval": 1})
    assert [row["epoch"] for row in log.history] == list(range(9))  # 1 is a batch, 1.0 an epoch
    assert all("val_acc" in row for row in log.history)


class Validated(Callback):
    """Remembers the metric of each validation."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.values.append(float(trainer.callback_metrics["val_loss"]))


def test_plain_lightning_gives_the_same_numbers(tmp_path: Path) -> None:
    _, log = train(tmp_path / "ours", model=model(3))
    validated, quiet = Validated(), {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    seed_everything(7)
    trainer = Trainer(
        max_epochs=4,
        accelerator="cpu",
        num_sanity_val_steps=0,
        callbacks=[SeedEpochs(7), validated],
        **quiet,  # type: ignore[arg-type]
    )
    trainer.fit(model(3), datamodule=ImageData("digits", batch_size=128, val_size=0.2))
    assert validated.values == [row["val_loss"] for row in log.history]
