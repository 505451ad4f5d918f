"""The baseline: a search as tutorials write it.

``python tests/benchmarks/tutorial.py DATA_DIR TRIALS EPOCHS SIZES [ORDER FILE]``

One process, study.optimize, torchvision's MNIST with ToTensor behind a DataLoader, a LightningModule that logs every
step, a Trainer with its defaults. Prints one JSON line with the final validation accuracies. With ORDER (of the
configurations) and FILE it prunes, and appends each validation accuracy to the file at once.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import optuna
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
import torchmetrics
from optuna_integration import PyTorchLightningPruningCallback
from torch import nn
from torch.utils.data import DataLoader, random_split
from torchvision import transforms
from torchvision.datasets import MNIST

from tests.benchmarks.configurations import configurations

PRUNER = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)


class Announce(pl.Callback):
    """Appends each validation accuracy to a file, one per line."""

    def __init__(self, file: str) -> None:
        self.file = file

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            with Path(self.file).open("a") as lines:
                print(trainer.callback_metrics["val_acc"].item(), file=lines)


class TutorialClassifier(pl.LightningModule):
    def __init__(self, hidden_size: int, learning_rate: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, hidden_size),
            nn.BatchNorm1d(hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, hidden_size),
            nn.BatchNorm1d(hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, 10),
        )
        self.val_acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.val_acc(logits, y)
        self.log("val_loss", F.cross_entropy(logits, y), prog_bar=True)
        self.log("val_acc", self.val_acc, prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)


def main(
    data_dir: str,
    n_trials: int,
    epochs: int,
    batch_sizes: list[int],
    order: int | None = None,
    file: str | None = None,
) -> None:
    def objective(trial: optuna.Trial) -> float:
        hidden_size = trial.suggest_int("hidden_size", 16, 256, log=True)
        learning_rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        batch_size = trial.suggest_categorical("batch_size", batch_sizes)
        data = MNIST(data_dir, train=True, transform=transforms.ToTensor())
        train, val = random_split(data, [55_000, 5_000], generator=torch.Generator().manual_seed(42))
        callbacks = [Announce(file), PyTorchLightningPruningCallback(trial, "val_acc")] if file else None
        trainer = pl.Trainer(max_epochs=epochs, default_root_dir=folder, callbacks=callbacks)
        trainer.fit(
            TutorialClassifier(hidden_size, learning_rate),
            DataLoader(train, batch_size=batch_size, shuffle=True),
            DataLoader(val, batch_size=batch_size),
        )
        return trainer.callback_metrics["val_acc"].item()

    pl.seed_everything(42)
    with tempfile.TemporaryDirectory() as folder:
        study = optuna.create_study(direction="maximize", pruner=PRUNER)
        for params in configurations(n_trials, batch_sizes, order):
            study.enqueue_trial(params)
        study.optimize(objective, n_trials=n_trials)
    print(json.dumps([trial.value for trial in study.trials]))


if __name__ == "__main__":
    order, file = (int(sys.argv[5]), sys.argv[6]) if len(sys.argv) > 5 else (None, None)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]), order, file)
