"""Rehearsed pauses: trials pause only where one that pauses goes on as one that does not."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback
from torch import Tensor
from torchmetrics import CatMetric, MaxMetric, MeanMetric, MetricCollection
from torchmetrics.classification import BinaryPrecision, BinaryRecall

from lightsearch.preflight.dry_run import DryRun
from lightsearch.preflight.pause import why_no_pause
from tests.conftest import command
from tests.preflight.modules import Net, Points, study


class Counts(Net):
    """Its loss depends on a counter that no checkpoint has."""

    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__(width, lr)
        self.seen = 0

    def training_step(self, batch: list[Tensor]) -> Any:
        self.seen += 1
        return super().training_step(batch) * (1 + 0.1 * self.seen)


class Saves(Counts):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seen"] = self.seen

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.seen = checkpoint["seen"]


class Buffered(Net):
    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__(width, lr)
        self.register_buffer("seen", torch.zeros(()))

    def training_step(self, batch: list[Tensor]) -> Any:
        self.seen += 1
        return super().training_step(batch) * (1 + 0.1 * self.seen)


class Best(Net):
    """The best value of all validations, as a metric that only the start of a training resets."""

    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__(width, lr)
        self.best, self.mean = MaxMetric(), MeanMetric()

    def training_step(self, batch: list[Tensor]) -> Any:
        loss = super().training_step(batch)
        self.mean(loss)
        self.log("train_loss", self.mean, on_step=False, on_epoch=True)
        return loss

    def on_train_start(self) -> None:
        self.best.reset()

    def on_validation_epoch_end(self) -> None:
        self.best(-float(self.current_epoch))
        self.log("val_best", self.best.compute())


class Collects(Net):
    """Metrics that are never reset: a collection that shares a state, and one that keeps all values."""

    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__(width, lr)
        self.collected = MetricCollection([BinaryPrecision(), BinaryRecall()])
        self.all = CatMetric()

    def training_step(self, batch: list[Tensor]) -> Any:
        right = (batch[0].sum(dim=1) > 0).float()
        self.log_dict({"train_precision": self.collected(right, right.flip(0).int())["BinaryPrecision"]})
        self.all.update(right)
        return super().training_step(batch)

    def on_train_epoch_end(self) -> None:
        self.log_dict({"recall": self.collected.compute()["BinaryRecall"], "count": float(len(self.all.compute()))})


class Times(Net):
    """What differs from run to run is not lost in a pause."""

    def on_train_epoch_end(self) -> None:
        self.ended, self.word = time.time(), random.SystemRandom().random()


class Fades(Points):
    """Data that change from epoch to epoch."""

    def __init__(self, batch_size: int = 16) -> None:
        super().__init__(batch_size)
        self.strength = 1.0

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if self.trainer is not None and self.trainer.training:
            self.strength *= 0.9
        return [batch[0] * self.strength, batch[1]]


class Remembers(Callback):
    def __init__(self) -> None:
        self.epochs: list[int] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.epochs.append(trainer.current_epoch)


def lost_in_pause(model: type = Net, data: type = Points, **declared: Any) -> str | None:
    return why_no_pause(None, study(model, data, **declared), None, None, DryRun())


@pytest.mark.parametrize(
    ("model", "data", "lost"),
    [
        (Net, Points, None),
        (Counts, Points, "Counts.seen changes in training and is in no checkpoint (save it in on_save_checkpoint"),
        (Saves, Points, None),
        (Buffered, Points, None),
        (Best, Points, None),
        (Collects, Points, None),
        (Times, Points, None),
        (Net, Fades, "Fades.strength changes in training"),
    ],
)
def test_what_a_pause_would_lose(model: type, data: type, lost: str | None) -> None:
    found = lost_in_pause(model, data)
    if lost is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(lost)


def test_the_users_callbacks_are_compared_too() -> None:
    callbacks = [{"class_path": "tests.preflight.test_rehearsal.Remembers"}]
    lost = lost_in_pause(callbacks=callbacks)
    assert lost is not None
    assert lost.startswith("Remembers.epochs")


class Scheduled(Net):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]


def test_what_a_callback_of_lightnings_has_shown_is_no_loss() -> None:
    callbacks = [{"class_path": "pytorch_lightning.callbacks.LearningRateMonitor"}]
    assert (
        lost_in_pause(Scheduled, callbacks=callbacks, logger={"class_path": "pytorch_lightning.loggers.CSVLogger"})
        is None
    )


def test_nothing_is_rehearsed_where_trials_do_not_pause() -> None:
    assert lost_in_pause(Counts, pruner={"name": "NopPruner"}) is None


MODULE = """
from lightsearch import Classifier

class Counts(Classifier):
    seen = 0

    def training_step(self, batch):
        self.seen += 1
        return super().training_step(batch) / self.seen
"""


def test_such_a_study_is_searched_without_pauses_or_refused_if_it_asks_for_them(place: Path) -> None:
    (place / "odd.py").write_text(MODULE)
    options = ("--set", "model.class_path=odd.Counts", "--n-trials", 3, "--workers", 1, "--set", "trainer.max_epochs=4")
    beside = ("--workers", 2, "--pack", 2)  # a proof of packs runs meanwhile
    refused = command("run", *options, *beside, "--set", "scheduler.name=asha", cwd=place)
    assert refused.returncode == 2
    assert "scheduler.name = 'asha': Counts.seen changes in training" in refused.stderr
    assert not (place / "studies" / "studies.db").exists()
    done = command("run", *options, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trials do not pause, and TPESampler and MedianPruner search: Counts.seen changes" in done.stdout
    again = command("run", *options, "--n-trials", 4, cwd=place)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "changed since the last run" not in again.stdout
    assert "not resumed" not in again.stdout
