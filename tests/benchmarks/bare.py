"""The same search as an expert writes it for speed: plain torch, without Lightning and Optuna.

``python tests/benchmarks/bare.py DATA_DIR TRIALS EPOCHS SIZES [ORDER FILE]``

One process per core with one thread each, forked when the data is in memory; float32 images, batches by indexing, fused
Adam, one validation batch per epoch. Prints one JSON line with the final validation accuracies. With ORDER (of the
configurations) and FILE it prunes by the median rule, and appends each validation accuracy to the file at once. It has
no checkpoints, no logs, and no study: a search that is stopped is lost.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.benchmarks.configurations import configurations

STARTUP_TRIALS, WARMUP_EPOCHS = 5, 1


def mnist(data_dir: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images (55000, 1, 28, 28) float32 and labels, and 5,000 for validation; the split of the tutorial."""
    raw = Path(data_dir) / "MNIST" / "raw"
    images = torch.from_numpy(np.fromfile(raw / "train-images-idx3-ubyte", np.uint8, offset=16)).view(-1, 1, 28, 28)
    labels = torch.from_numpy(np.fromfile(raw / "train-labels-idx1-ubyte", np.uint8, offset=8)).long()
    train, val = torch.randperm(60_000, generator=torch.Generator().manual_seed(42)).split([55_000, 5_000])
    images = images.float() / 255
    return images[train], labels[train], images[val], labels[val]


def network(width: int) -> nn.Sequential:
    first = (nn.Flatten(), nn.Linear(784, width), nn.BatchNorm1d(width), nn.ReLU())
    return nn.Sequential(*first, nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 10))


def below_median(best: float, reached: list[float]) -> bool:
    """Whether a trial's best value is below the median of what the trials before it had reached at the same epoch."""
    return len(reached) >= STARTUP_TRIALS and best < statistics.median(reached)


def train(params: dict, data: tuple[Tensor, ...], epochs: int, curves: list[list[float]], file: str | None) -> float:
    torch.manual_seed(42)
    train_x, train_y, val_x, val_y = data
    model = network(params["hidden_size"])
    optimizer = torch.optim.Adam(model.parameters(), lr=params["learning_rate"], fused=True)
    curve: list[float] = []
    for epoch in range(epochs):
        model.train()
        for batch in torch.randperm(len(train_x)).split(params["batch_size"]):
            optimizer.zero_grad()
            F.cross_entropy(model(train_x[batch]), train_y[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            curve.append((model(val_x).argmax(1) == val_y).float().mean().item())
        if file:
            with Path(file).open("a") as lines:
                print(curve[-1], file=lines)
            reached = [other[epoch] for other in curves if len(other) > epoch]
            if epoch >= WARMUP_EPOCHS and below_median(max(curve), reached):
                break
    curves.append(curve)
    return curve[-1]


def main(
    data_dir: str, trials: int, epochs: int, batch_sizes: list[int], order: int | None = None, file: str | None = None
) -> None:
    torch.set_num_threads(1)  # also in the workers, which could not be forked from a process with a thread pool
    data, fork = mnist(data_dir), multiprocessing.get_context("fork")
    with fork.Manager() as manager, fork.Pool(os.cpu_count(), _share, (data, manager.list())) as pool:
        listed = configurations(trials, batch_sizes, order)
        print(json.dumps(pool.map(partial(_train, epochs=epochs, file=file), listed, chunksize=1)))


def _share(*given: object) -> None:
    global shared  # inherited by fork: neither copied nor sent
    shared = given


def _train(params: dict, epochs: int, file: str | None) -> float:
    data, curves = shared
    return train(params, data, epochs, curves, file)


if __name__ == "__main__":
    order, file = (int(sys.argv[5]), sys.argv[6]) if len(sys.argv) > 5 else (None, None)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]), order, file)
