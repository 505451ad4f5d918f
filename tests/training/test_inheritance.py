"""A fit that begins from another trial's checkpoint: what goes on, and what is that of the new parameters."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule

from lightsearch.paths import PARENT
from lightsearch.training.inheritance import Inherit, NoParent
from lightsearch.training.stopping import Pause
from tests.training.fits import Dropped, curve, train, weights


class Scheduled(Dropped):
    """With every kind of hyperparameter that can change: of the optimizer, and of a schedule of each step."""

    def __init__(self, rate: float, decay: float = 0.01, gamma: float = 0.9) -> None:
        super().__init__(in_features=64, num_classes=10, hidden_size=16)
        self.rate, self.decay, self.gamma = rate, decay, gamma

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), self.rate, weight_decay=self.decay)
        each_step = torch.optim.lr_scheduler.StepLR(optimizer, 3, self.gamma)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": each_step, "interval": "step"}}


class Cycled(Scheduled):
    """With a schedule that changes the momentum too, and keeps what it needs in the optimizer."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), self.rate, momentum=0.9)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, total_steps=4 * 12)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


class FirstStep(Callback):
    """Keeps what the optimizer and its schedule have when training begins."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if not hasattr(self, "group"):
            (optimizer,) = trainer.optimizers
            self.group = dict(optimizer.param_groups[0])
            self.moments = [state["exp_avg"].clone() for state in optimizer.state.values() if "exp_avg" in state]
            self.schedule = trainer.lr_scheduler_configs[0].scheduler.state_dict()


def make(cls: type[Scheduled], **arguments: Any) -> LightningModule:
    torch.manual_seed(1)
    return cls(**arguments)


def parent(folder: Path, cls: type[Scheduled]) -> Path:
    """Trains two epochs; returns the folder of a trial that begins from there."""
    train(folder / "parent", Inherit(), model=make(cls, rate=0.01), pause=Pause(2))
    (folder / "child").mkdir()
    shutil.copy(folder / "parent" / "last.ckpt", folder / "child" / PARENT)
    return folder / "child"


@pytest.mark.parametrize("cls", [Scheduled, Cycled])
def test_a_copy_that_changes_nothing_goes_on_to_the_bit(tmp_path: Path, cls: type[Scheduled]) -> None:
    child = parent(tmp_path, cls)
    _, log = train(child, Inherit("trial 0"), model=make(cls, rate=0.01))
    _, whole = train(tmp_path / "parent", Inherit(), model=make(cls, rate=0.01))
    assert curve(log) == curve(whole)[2:]  # its own epochs only
    mine, other = (weights(folder / "last.ckpt") for folder in (child, tmp_path / "parent"))
    assert all(torch.equal(mine[name], other[name]) for name in other)
    best = torch.load(child / "best.ckpt", weights_only=True)
    assert best["epoch"] >= 2


def test_the_first_step_has_the_new_hyperparameters_and_the_old_moments(tmp_path: Path) -> None:
    child, seen = parent(tmp_path, Scheduled), FirstStep()
    old = torch.load(child / PARENT, weights_only=True)
    new = make(Scheduled, rate=0.02, decay=0.3, gamma=0.5)
    train(child, Inherit("trial 0"), seen, model=new, pause=Pause(3))
    before = old["optimizer_states"][0]["param_groups"][0]
    assert before["lr"] < 0.01  # by the schedule
    assert seen.group["lr"] == pytest.approx(2 * before["lr"], rel=1e-12)
    assert (seen.group["weight_decay"], seen.group["initial_lr"], seen.group["betas"]) == (0.3, 0.02, before["betas"])
    assert (seen.schedule["base_lrs"], seen.schedule["gamma"]) == ([0.02], 0.5)
    assert seen.schedule["last_epoch"] == old["lr_schedulers"][0]["last_epoch"] > 0
    moments = [state["exp_avg"] for state in old["optimizer_states"][0]["state"].values()]
    assert all(torch.equal(one, other) for one, other in zip(seen.moments, moments, strict=True))
    resumed = FirstStep()
    train(child, Inherit("trial 0"), resumed, model=new, pause=Pause(4))  # from its own checkpoint
    assert resumed.group["weight_decay"] == 0.3
    assert resumed.group["lr"] < seen.group["lr"]


def test_an_optimizer_of_another_class_takes_over_no_moments(tmp_path: Path) -> None:
    child, seen = parent(tmp_path, Scheduled), FirstStep()
    _, log = train(child, Inherit("trial 0"), seen, model=make(Cycled, rate=0.02), pause=Pause(3))
    assert (seen.moments, "betas" in seen.group, seen.group["nesterov"]) == ([], False, False)
    assert [row["epoch"] for row in log.history] == [2]


def test_damaged_checkpoints_let_it_begin_again_from_its_parent_and_never_untrained(tmp_path: Path) -> None:
    child = parent(tmp_path, Scheduled)
    _, log = train(child, Inherit("trial 0"), model=make(Scheduled, rate=0.02))
    (child / "last.ckpt").write_bytes(b"damaged")
    _, again = train(child, Inherit("trial 0"), model=make(Scheduled, rate=0.02))
    assert curve(again) == curve(log)
    for file in child.glob("*.ckpt"):
        file.unlink()
    with pytest.raises(NoParent, match="the checkpoint of trial 0, which this trial begins from, is gone"):
        train(child, Inherit("trial 0"), model=make(Scheduled, rate=0.02))
