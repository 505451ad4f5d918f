"""The same search in Ray Tune, as its documentation writes it.

``python tests/benchmarks/ray_tune.py DATA_DIR TRIALS EPOCHS BATCH_SIZES [ORDER FILE]``

A trainable that builds DataLoaders and a Lightning Trainer with TuneReportCheckpointCallback, a Tuner over the list of
configurations, as many trials at a time as there are cores. Prints one JSON line with the final validation accuracies.
With ORDER (of the configurations) and FILE it has an ASHA scheduler, and appends each validation accuracy to the file
at once. Needs ``pip install "ray[tune]"``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

import pytorch_lightning as pl
import ray
import torch
from ray import tune
from ray.tune.integration.pytorch_lightning import TuneReportCheckpointCallback
from ray.tune.schedulers import ASHAScheduler
from torch.utils.data import DataLoader, random_split
from torchvision import transforms
from torchvision.datasets import MNIST

from tests.benchmarks.configurations import configurations
from tests.benchmarks.tutorial import Announce, TutorialClassifier


def train(config: dict) -> None:
    params = config["params"]
    data = MNIST(config["data_dir"], train=True, transform=transforms.ToTensor())
    train_set, val_set = random_split(data, [55_000, 5_000], generator=torch.Generator().manual_seed(42))
    trainer = pl.Trainer(
        max_epochs=config["epochs"],
        enable_progress_bar=False,
        callbacks=[
            *([Announce(config["file"])] if config["file"] else []),
            TuneReportCheckpointCallback({"val_acc": "val_acc"}, on="validation_end"),
        ],
    )
    trainer.fit(
        TutorialClassifier(params["hidden_size"], params["learning_rate"]),
        DataLoader(train_set, batch_size=params["batch_size"], shuffle=True),
        DataLoader(val_set, batch_size=params["batch_size"]),
    )


def main(
    data_dir: str,
    n_trials: int,
    epochs: int,
    batch_sizes: list[int],
    order: int | None = None,
    file: str | None = None,
) -> None:
    cores = os.cpu_count()
    ray.init(num_cpus=cores, include_dashboard=False, logging_level="error")
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(train, {"cpu": 1}),
            param_space={
                "params": tune.grid_search(configurations(n_trials, batch_sizes, order)),
                "data_dir": data_dir,
                "epochs": epochs,
                "file": file,
            },
            tune_config=tune.TuneConfig(
                metric="val_acc",
                mode="max",
                max_concurrent_trials=cores,
                scheduler=ASHAScheduler(max_t=epochs, grace_period=2) if file else None,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = tuner.fit()
    print(json.dumps([result.metrics["val_acc"] for result in results]))


if __name__ == "__main__":
    order, file = (int(sys.argv[5]), sys.argv[6]) if len(sys.argv) > 5 else (None, None)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]), order, file)
