"""Modules that bring a checkpoint callback and early stopping of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from lightsearch.data import ImageData
from lightsearch.training.components import Components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithoutValidation
from lightsearch.training.resume import resume_point
from tests.training.fits import Dropped, StopAfter, curve, model, train, weights


class WithCallbacks(Dropped):
    """Brings a checkpoint and an early stopping of its own."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.own = ModelCheckpoint(monitor="val_loss", filename="{epoch}", save_top_k=2, save_last=True)

    def configure_callbacks(self) -> list[Callback]:
        return [self.own, EarlyStopping("val_loss", patience=100)]


def own(seed: int) -> WithCallbacks:
    torch.manual_seed(seed)
    return WithCallbacks(in_features=64, num_classes=10, hidden_size=16)


@pytest.mark.parametrize("top", [1, 2])
def test_a_module_keeps_its_callbacks_and_we_keep_ours(tmp_path: Path, top: int) -> None:
    _, whole = train(tmp_path / "whole", model=own(1), save_top_k=top)
    _, plain = train(tmp_path / "plain", model=model(1), save_top_k=top)
    assert curve(whole) == curve(plain)
    resumed = own(2)
    with pytest.raises(KeyError):
        train(tmp_path / "resumed", StopAfter(2), model=own(1), save_top_k=top)
    _, log = train(tmp_path / "resumed", model=resumed, save_top_k=top)
    assert curve(log) == curve(plain)
    for folder in ("whole", "resumed"):
        assert {file.name for file in (tmp_path / folder).iterdir()} == {
            *(file.name for file in (tmp_path / "plain").iterdir()),
            "checkpoints",
        }
        losses = {row["epoch"]: row["val_loss"] for row in log.history}
        theirs = {f"epoch={epoch}.ckpt" for epoch in sorted(losses, key=lambda epoch: losses[epoch])[:2]}
        assert {file.name for file in (tmp_path / folder / "checkpoints").iterdir()} == {*theirs, "last.ckpt"}
        for name in ("best.ckpt", "last.ckpt"):
            before, after = weights(tmp_path / "plain" / name), weights(tmp_path / folder / name)
            assert all(torch.equal(before[key], after[key]) for key in before)
    states = torch.load(tmp_path / "resumed" / "last.ckpt", weights_only=True)["callbacks"]
    (theirs_in_ours,) = [state for name, state in states.items() if name.startswith("ModelCheckpoint")]
    assert theirs_in_ours["best_k_models"] == resumed.own.best_k_models  # of the same epoch


def test_a_trial_that_starts_anew_leaves_no_checkpoint_of_its_modules_own(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        train(tmp_path, StopAfter(2), model=own(1))
    (tmp_path / "best.ckpt").write_bytes(b"damaged")
    assert resume_point(tmp_path) is None
    assert list(tmp_path.rglob("*.ckpt")) == []


def test_training_without_validation_keeps_its_last_checkpoint_too(tmp_path: Path) -> None:
    log = EpochLog(None)
    module = own(1)
    keywords = {"max_epochs": 9, "accelerator": "cpu"}
    data = ImageData("digits", batch_size=128, val_size=0.2)
    fit(Components(module, data, 7, keywords), WithoutValidation(3), folder=tmp_path, log=log)
    assert len(log.history) == 3  # its early stopping, which watches a validation, does not count
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 2
