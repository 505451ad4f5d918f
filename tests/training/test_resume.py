"""A resumed fit equals an uninterrupted one to the bit."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, LightningModule
from torch.utils.data import DataLoader, Dataset

from lightsearch.data import ImageData
from lightsearch.training import stopping
from lightsearch.training.components import Components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from tests.points import Double, Net
from tests.training.fits import Dropped, StopAfter, curve, model, train, weights


def test_a_resumed_fit_equals_an_uninterrupted_one_to_the_bit(tmp_path: Path) -> None:
    _, whole = train(tmp_path / "whole", model=model(1))
    with pytest.raises(KeyError):
        train(tmp_path / "resumed", StopAfter(2), model=model(1))
    fitted, resumed = train(tmp_path / "resumed", model=model(2))  # its first weights do not matter
    assert curve(resumed) == curve(whole)
    assert fitted.stop_reason == "max_epochs"
    for name in ("last.ckpt", "best.ckpt"):
        before, after = weights(tmp_path / "whole" / name), weights(tmp_path / "resumed" / name)
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert resumed.seconds_before > 0


@pytest.mark.parametrize("steps", [8 * 12, 3 * 12 + 5], ids=["more than the epochs", "ends within the last epoch"])
def test_a_resumed_fit_with_a_limit_of_steps_begins_with_the_next_epoch(steps: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"keywords": {"max_steps": steps, "accumulate_grad_batches": 1}}
    whole_fit, whole = train(tmp_path / "whole", model=model(1), **options)
    with pytest.raises(KeyError):
        train(tmp_path / "resumed", StopAfter(2), model=model(1), **options)
    fitted, resumed = train(tmp_path / "resumed", model=model(2), **options)
    assert curve(resumed) == curve(whole)
    assert fitted == whole_fit
    before, after = weights(tmp_path / "whole" / "last.ckpt"), weights(tmp_path / "resumed" / "last.ckpt")
    assert all(torch.equal(before[key], after[key]) for key in before)


class Augmented(ImageData):
    """Data whose loaders draw from Python's and numpy's random numbers, in worker processes if there are any."""

    num_workers = 0

    def train_dataloader(self) -> Any:
        self.setup("fit")
        loader = super().train_dataloader()
        samples = [(x, y) for xs, ys in loader for x, y in zip(xs, ys, strict=True)]
        return DataLoader(Noisy(samples), batch_size=128, shuffle=True, num_workers=self.num_workers)


class Noisy(Dataset[Any]):
    def __init__(self, samples: list[Any]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        x, y = self.samples[index]
        return x * random.random() + float(np.random.rand()) * torch.rand(()), y


class Noise(Dropped):
    """A classifier that draws Python's and numpy's random numbers in training and in validation."""

    def training_step(self, batch: Any) -> Any:
        return super().training_step(batch) * (0.5 + random.random() * float(np.random.rand()))

    def validation_step(self, batch: Any) -> None:
        super().validation_step(batch)
        self.log("drawn", random.random() + float(np.random.rand()) + float(torch.rand(())))


@pytest.mark.parametrize("num_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_resumed_fit_draws_the_same_numbers_of_python_and_numpy(
    tmp_path: Path, num_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Augmented, "num_workers", num_workers)

    def run(folder: str, *callbacks: Any) -> list[dict[str, float]]:
        torch.manual_seed(1)
        built = Noise(in_features=64, num_classes=10, hidden_size=16)
        data = Augmented("digits", batch_size=128, val_size=0.2)
        return curve(train(tmp_path / folder, *callbacks, model=built, data=data)[1])

    whole = run("whole")
    with pytest.raises(KeyError):
        run("resumed", StopAfter(2))
    random.seed(), np.random.seed()
    assert run("resumed") == whole


def test_the_numbers_that_validation_draws_do_not_depend_on_what_was_drawn_before(tmp_path: Path) -> None:
    class Others(Callback):
        """Other members of a pack, which have had their turns."""

        def on_train_batch_end(self, *_: Any) -> None:
            drawn.append(random.random() + float(np.random.rand()) + float(torch.rand(())))

    drawn: list[float] = []

    def run(folder: str, *callbacks: Any) -> list[float]:
        torch.manual_seed(1)
        return [row["drawn"] for row in curve(train(tmp_path / folder, *callbacks, model=noisy())[1])]

    def noisy() -> LightningModule:
        return Noise(in_features=64, num_classes=10, hidden_size=16)

    assert run("isolated") == run("shared process", Others())


def test_going_on_in_float64_is_exact(tmp_path: Path) -> None:
    def weights(folder: Path, *callbacks: Any) -> dict[str, Any]:
        torch.manual_seed(0)
        model = Net("tanh")
        keywords = {"max_epochs": 4, "accelerator": "cpu", "precision": "64-true"}
        built, plan = Components(model, Double(), 1, keywords), WithValidation("val_acc", "max")
        fit(built, plan, folder=folder, log=EpochLog(None), callbacks=callbacks)
        return model.state_dict()

    once = weights(tmp_path / "once")
    weights(tmp_path / "twice", stopping.StopAfter(2))
    again = weights(tmp_path / "twice")
    assert all(torch.equal(value, again[name]) and value.dtype is torch.float64 for name, value in once.items())
