"""The default model: its metrics, its step sizes, its checkpoint."""

import math
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import nn

from lightsearch import Classifier
from lightsearch.data import ImageData


def test_layers() -> None:
    model = Classifier(in_features=64, num_classes=10, hidden_size=32)
    kinds = [type(layer) for layer in model.model]
    block = [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert kinds == [nn.Flatten, *block, *block, nn.Linear]
    assert [(layer.in_features, layer.out_features) for layer in model.model if isinstance(layer, nn.Linear)] == [
        (64, 32),
        (32, 32),
        (32, 10),
    ]
    assert model(torch.rand(5, 1, 8, 8)).shape == (5, 10)


def test_it_logs_the_epochs_true_means(tmp_path: object) -> None:
    data = ImageData("digits", batch_size=100, val_size=288)  # 1,150 training images: the last batch has 50
    model = Classifier(**data.model_arguments, learning_rate=0.0)
    torch.manual_seed(0)
    trainer = Trainer(
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        default_root_dir=str(tmp_path),
    )
    trainer.fit(model, datamodule=data)
    logged = trainer.callback_metrics
    assert set(logged) == {"train_loss", "val_loss", "val_acc"}

    model.eval()
    with torch.no_grad():
        loader = data.val_dataloader()
        logits = torch.cat([model(images) for images, _ in loader])
    expected = nn.functional.cross_entropy(logits, loader.labels)
    assert logged["val_loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert logged["val_acc"].item() == pytest.approx((logits.argmax(1) == loader.labels).float().mean().item())

    # In training mode with a step size of 0, the epoch's loss is the mean over images, whatever the batches' sizes.
    model.train()
    torch.manual_seed(0)
    losses, counts = [], []
    for images, labels in data.train_dataloader():
        losses.append(nn.functional.cross_entropy(model(images), labels, reduction="sum").item())
        counts.append(len(labels))
    assert counts[-1] == 50
    assert logged["train_loss"].item() == pytest.approx(sum(losses) / sum(counts), rel=0.05)


def test_a_nan_is_not_left_out_of_the_validation_loss() -> None:
    model = Classifier(in_features=4, num_classes=3)
    model.val_loss.update(torch.tensor(1.0), 10)
    model.val_loss.update(torch.tensor(float("nan")), 10)
    assert model.val_loss.compute().isnan()


def test_hyperparameters_are_plain_types() -> None:
    model = Classifier(in_features=64, num_classes=10, hidden_size=32, learning_rate=0.01)
    assert dict(model.hparams) == {
        "in_features": 64,
        "num_classes": 10,
        "hidden_size": 32,
        "learning_rate": 0.01,
        "lr_schedule": "constant",
    }


def test_the_step_size_falls_along_a_cosine(tmp_path: Path) -> None:
    data = ImageData("digits", batch_size=128)
    model = Classifier(**data.model_arguments, learning_rate=0.01, lr_schedule="cosine")
    trainer = Trainer(
        max_epochs=4, logger=False, enable_checkpointing=False, enable_progress_bar=False, default_root_dir=tmp_path
    )
    seen: list[float] = []

    class Watch(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: object) -> None:
            seen.append(trainer.optimizers[0].param_groups[0]["lr"])

    trainer.callbacks.append(Watch())
    trainer.fit(model, datamodule=data)
    assert seen == pytest.approx([0.01 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in (1, 2, 3, 4)], abs=1e-6)
    with pytest.raises(ValueError, match="lr_schedule must be"):
        Classifier(in_features=4, num_classes=2, lr_schedule="linear")
