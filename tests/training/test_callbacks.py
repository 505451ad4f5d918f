"""The user's callbacks in a fit: their state, and the ends that they bring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping

from lightsearch.training.components import Components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import Fit, fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.seeding import SeedEpochs
from tests.points import Net, Points
from tests.training.fits import StopAfter, curve

SEED = 7


class StopsAtThree(Callback):
    """Counts the epochs that it has seen, over all attempts, and draws a random number in each."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen.append(torch.rand(()).item())
        if len(self.seen) == 3:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seen = state_dict["seen"]


class StopsItself(Net):
    def on_validation_end(self) -> None:
        if self.current_epoch == 2:
            self.trainer.should_stop = True


def train(folder: Path, *user: Callback, model: type[Net] = Net, ours: Any = ()) -> tuple[Fit, EpochLog]:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(SEED)
    built = Components(model("tanh"), Points(), SEED, {"max_epochs": 6, "accelerator": "cpu"}, callbacks=list(user))
    log = EpochLog(folder / "epochs.csv")
    return fit(built, WithValidation("val_acc", "max"), folder=folder, log=log, callbacks=ours), log


def threshold() -> EarlyStopping:
    return EarlyStopping("val_acc", mode="max", stopping_threshold=0.0)


def test_an_interrupted_fit_goes_on_with_the_state_of_a_callback(tmp_path: Path) -> None:
    whole, resumed = StopsAtThree(), StopsAtThree()
    ending, log = train(tmp_path / "whole", whole)
    assert (ending.stop_reason, len(log.history)) == ("StopsAtThree", 3)
    with pytest.raises(KeyError):
        train(tmp_path / "again", StopsAtThree(), ours=[StopAfter(2)])
    again, log_again = train(tmp_path / "again", resumed)
    assert again.stop_reason == "StopsAtThree"
    assert resumed.seen == whole.seen
    assert curve(log_again) == curve(log)


@pytest.mark.parametrize(
    ("user", "model", "reason", "epochs"),
    [
        (threshold, Net, "EarlyStopping(val_acc)", 1),
        (StopsAtThree, Net, "StopsAtThree", 3),
        (None, StopsItself, "StopsItself", 3),
    ],
)
def test_a_fit_that_resumes_after_its_end_is_not_trained_further(
    tmp_path: Path, user: Any, model: type[Net], reason: str, epochs: int
) -> None:
    for _ in range(2):  # the second time as if its process had died before it wrote the outcome
        ending, log = train(tmp_path, *([user()] if user else []), model=model)
        assert (ending.stop_reason, len(log.history)) == (reason, epochs)


@pytest.mark.filterwarnings("ignore")
def test_the_curve_is_that_of_plain_lightning_with_the_same_callbacks(tmp_path: Path) -> None:
    class Curve(Callback):
        def __init__(self) -> None:
            self.values: list[float] = []

        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.values.append(trainer.callback_metrics["val_acc"].item())

    _, log = train(tmp_path / "fit", StopsAtThree())
    torch.manual_seed(SEED)
    model, plain = Net("tanh"), Curve()
    seed_everything(SEED, workers=True, verbose=False)
    options: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        max_epochs=6,
        accelerator="cpu",
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        callbacks=[SeedEpochs(SEED, ()), plain, StopsAtThree()],
        **options,
    )
    trainer.fit(model, datamodule=Points())
    assert plain.values == [row["val_acc"] for row in log.history]
