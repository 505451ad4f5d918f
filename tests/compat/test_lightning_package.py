"""Modules of one copy of Lightning on data of the other."""

from __future__ import annotations

from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch import Tensor

from lightsearch.compat.lightning_package import callback_for, data_for, overrides
from tests.points import CLASSES, Net, Points


class Elsewhere(lightning.pytorch.LightningDataModule):
    """``Points`` of the other copy; its hooks count."""

    setup = Points.setup
    train_dataloader = Points.train_dataloader
    val_dataloader = Points.val_dataloader
    predict_dataloader = Points.val_dataloader

    def __init__(self, n: int = 120, batch_size: int = 20) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.n, self.batch_size, self.moved = n, batch_size, 0

    def prepare_data(self) -> None:
        assert self.trainer is not None

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        self.moved += 1
        return super().on_after_batch_transfer(batch, dataloader_idx)


class Plain(Elsewhere):
    on_after_batch_transfer = lightning.pytorch.LightningDataModule.on_after_batch_transfer


class Looking(Net):
    """Looks at its data, and has a hook of its own."""

    moved = 0

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        self.moved += 1
        return super().on_after_batch_transfer(batch, dataloader_idx)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        assert self.trainer.datamodule.batch_size == 20  # type: ignore[attr-defined]
        return super().training_step(batch)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cls", [Elsewhere, Plain])
def test_data_of_the_other_copy_keeps_all_of_its_own(cls: Any, tmp_path: Any) -> None:
    data, model = cls(), Looking("tanh")
    options: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = pytorch_lightning.Trainer(max_epochs=1, logger=False, default_root_dir=tmp_path, **options)
    assert data_for(pytorch_lightning, data_for(pytorch_lightning, data)) is data
    trainer.fit(model, datamodule=data)
    # A hook of the data goes before the model's; without one the model's is run.
    moved = 6 + 3 + 2  # steps, validation, the sanity check
    assert (data.moved, model.moved) == ((moved, 0) if cls is Elsewhere else (0, moved))
    assert len(trainer.datamodule.predict_dataloader()) == 3  # type: ignore[attr-defined]
    saved = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=True)  # type: ignore[union-attr]
    assert saved["datamodule_hyper_parameters"] == {"n": 120, "batch_size": 20}


def test_what_a_class_overrides() -> None:
    assert overrides(Net, "test_step")
    assert not overrides(Net, "setup")
    assert not overrides(Plain(), "on_after_batch_transfer")
    assert overrides(Elsewhere(), "on_after_batch_transfer")
    assert not overrides(Elsewhere, "test_dataloader")
    data = lightning.pytorch.LightningDataModule.from_datasets(test_dataset=torch.arange(CLASSES))  # type: ignore
    assert overrides(data, "test_dataloader")
    assert not overrides(data, "val_dataloader")


class Quiet(lightning.pytorch.callbacks.EarlyStopping):
    """Of the user's, of the other copy."""


@pytest.mark.parametrize("cls", [lightning.pytorch.callbacks.EarlyStopping, Quiet])
def test_a_callback_of_the_other_copy_is_what_it_is_in_this_one(cls: Any) -> None:
    callback = callback_for(pytorch_lightning, cls("val_loss", patience=7))
    trainer = pytorch_lightning.Trainer(
        callbacks=[callback], logger=False, enable_progress_bar=False, enable_checkpointing=False, accelerator="cpu"
    )
    assert trainer.early_stopping_callbacks == [callback]
    assert (callback.monitor, callback.patience) == ("val_loss", 7)
    assert callback_for(pytorch_lightning, callback) is callback
