"""What the contract tests share: a failure that names the versions, and a small fit in either copy of Lightning."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain
from types import ModuleType
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from packaging.requirements import Requirement
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.conftest import ROOT

COPIES = [pytorch_lightning, lightning.pytorch]
BATCHES = 5


@contextmanager
def relies_on(package: str, compat: ModuleType) -> Iterator[None]:
    """Runs a contract test; if it fails, the message names the package, its version and the versions allowed.

    Args:
        package: The distribution whose private names are used.
        compat: The file that uses them.
    """
    try:
        yield
    except Exception as error:
        pytest.fail(
            f"{compat.__name__} relies on private parts of {package}{allowed(package)}, and {package} "
            f"{version(package)} is different: {type(error).__name__}: {error}"
        )


def allowed(package: str) -> str:
    """The versions of a package that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = map(Requirement, [*project["dependencies"], *chain(*project["optional-dependencies"].values())])
    return next(str(requirement.specifier) for requirement in requirements if requirement.name == package)


def make_module(copy: ModuleType) -> Any:
    """A module of one copy of Lightning that logs, and has a schedule for steps and one for epochs."""

    class Line(copy.LightningModule):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.Linear(1, 1)

        def training_step(self, batch: Any) -> Any:
            loss = ((self.layer(batch[0]) - 1) ** 2).mean()
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Any) -> None:
            self.log("val_loss", (self.layer(batch[0]) ** 2).mean())
            self.log("val_step_only", 1.0, on_epoch=False, on_step=True)

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), 0.01)
            schedules = [
                {"scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9), "interval": interval}
                for interval in ("step", "epoch")
            ]
            return [optimizer], schedules

    return Line()


def make_loader(batch_size: int = 2) -> Any:
    """Five batches of two samples."""
    return DataLoader(TensorDataset(torch.arange(2.0 * BATCHES)[:, None]), batch_size)


def make_trainer(copy: ModuleType, **keywords: Any) -> Any:
    """A Trainer that writes nothing."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return copy.Trainer(**{"max_epochs": 2, "accelerator": "cpu", "logger": False, **quiet, **keywords})
