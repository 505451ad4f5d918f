"""Trials that train alone or in a pack, and how far apart their results are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import seed_everything

from lightsearch import Classifier
from lightsearch.data import ImageData
from lightsearch.packs.host import Host
from lightsearch.training.components import Components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.stopping import Pause
from lightsearch.training.trial import PackContext
from studies.examples.tabular import Table


class Trial:
    """One training, alone or in a pack."""

    def __init__(
        self, folder: Path, index: int, make: Any, data: Any, metric: str = "val_acc", epochs: int = 6
    ) -> None:
        self.folder, self.seed = folder / f"trial-{index:04d}", 1000 + index
        self.folder.mkdir(parents=True)
        self.make, self.data, self.metric, self.epochs = make, data, metric, epochs
        self.log = EpochLog(self.folder / "epochs.csv")
        self.epoch_seeds: list[int] = []
        self.model: Any = None

    def train(
        self, context: PackContext | None = None, epoch_seeds: Sequence[int] = (), pause_after: int | None = None
    ) -> Trial:
        seed_everything(self.seed, verbose=False)
        self.model = self.make()
        data = context.build_data(self.data, {}, None) if context else self.data()
        pause = None
        if pause_after is not None and context is not None and (wait := context.wait) is not None:
            pause = Pause(pause_after, lambda _: wait().until)
        self.epoch_seeds = fit(
            Components(self.model, data, self.seed, {"max_epochs": self.epochs}),
            WithValidation(self.metric, "max", pause=pause),
            folder=self.folder,
            log=self.log,
            callbacks=context.callbacks if context else (),
            epoch_seeds=epoch_seeds,
            parent=context.parent if context else None,
        ).epoch_seeds
        return self

    def curve(self, name: str) -> torch.Tensor:
        return torch.tensor([row[name] for row in self.log.history])


def run(host: Host, trials: Sequence[Trial]) -> list[BaseException | None]:
    for i, trial in enumerate(trials):
        host.add(i, trial.train)
    ended = {member.number: member.error for member in host.run()}
    return [ended[i] for i in range(len(trials))]


def digits_data() -> ImageData:
    return ImageData("digits", batch_size=32, split_seed=0)


def classifier(width: int, rate: float, **others: Any) -> Any:
    return lambda: Classifier(64, 10, hidden_size=width, learning_rate=rate, **others)


BEFORE_NORM = {
    *("model.1.bias", "model.4.bias", "model.2.running_mean", "model.5.running_mean"),
    *("net.0.bias", "net.1.running_mean"),
}
"""Biases that a BatchNorm takes out again, so that noise alone moves them, and the means that follow them."""


def distance(one: Any, other: Any) -> float:
    """The largest relative distance of a tensor of one module to the other's, in the Euclidean norm."""
    state = other.state_dict()
    norm = any(isinstance(part, torch.nn.BatchNorm1d) for part in one.modules())
    names = [name for name, value in state.items() if value.is_floating_point() and not (norm and name in BEFORE_NORM)]
    mine = one.state_dict()
    return max(float((mine[name] - state[name]).norm() / state[name].norm().clamp(min=1e-3)) for name in names)


def table() -> Table:
    return Table(batch_size=32)
