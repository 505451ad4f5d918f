"""Exceptions in a dry run: one line that says where; a failure of one configuration only is a note."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor
from torch.utils.data import Dataset

from tests.preflight.modules import Broken, N, Net, Points, refused, tried


class BrokenData(Points):
    def setup(self, stage: str) -> None:
        raise FileNotFoundError("no such file: points.csv")


class BrokenItems(Dataset[Any]):
    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        raise KeyError(f"item {index}")


class BrokenLoader(Points):
    def val_dataloader(self) -> Any:
        return self.loader(BrokenItems())


class BrokenInWorkers(BrokenLoader):
    def __init__(self) -> None:
        super().__init__(num_workers=1)


class Exits(Net):
    def on_train_start(self) -> None:
        raise SystemExit(3)


class Misses(Net):
    def configure_callbacks(self) -> Any:
        return [EarlyStopping("val_los")]


IN_ITEM = r"BrokenItems.__getitem__ raises KeyError: 'item 0' \(test_failures.py, line \d+\)$"


@pytest.mark.parametrize(
    ("model", "data", "line"),
    [
        (Broken, Points, r"Net.forward raises RuntimeError: mat1 and .* \(modules.py, line \d+\)$"),
        (Net, BrokenData, r"BrokenData.setup raises FileNotFoundError: no such file: points.csv \(test_failures.py,"),
        (Net, BrokenLoader, IN_ITEM),
        (Net, BrokenInWorkers, IN_ITEM.replace("BrokenItems.", "")),
        (Exits, Points, r"Exits.on_train_start raises SystemExit: 3 \(test_failures.py, line \d+\)$"),
        (Misses, Points, r"it raises RuntimeError: Early stopping conditioned on metric `val_los`"),
    ],
)
def test_an_exception_is_a_line_that_says_where(
    model: type, data: type, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    section, cls = ("data", data) if model is Net else ("model", model)
    found = refused(model, data)
    assert re.match(f"{section}.class_path = '{cls.__module__}.{cls.__name__}': {line}", found), found
    assert "Traceback" in capsys.readouterr().err  # in one's own process


class Pickles(Net):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["points"] = Points()


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_loaded_safely() -> None:
    line = refused(Pickles)
    assert line.startswith("model.class_path = 'tests.preflight.test_failures.Pickles': a checkpoint ")
    assert "tests.preflight.modules.Points" in line


class Narrow(Net):
    def __init__(self, width: int = 4, lr: float = 1e-2) -> None:
        if width < 5:
            raise ValueError("too narrow")
        super().__init__(width, lr)


class Hungry(Net):
    def training_step(self, batch: list[Tensor]) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")


class Diverges(Net):
    def validation_step(self, batch: list[Tensor]) -> Any:
        super().validation_step(batch)
        self.log("val_loss_extra", float("nan"))


class Whole(Net):
    """Fails on a part of the validation data."""

    def on_validation_epoch_start(self) -> None:
        self.seen = 0

    def validation_step(self, batch: list[Tensor]) -> Any:
        super().validation_step(batch)
        self.seen += len(batch[0])

    def on_validation_epoch_end(self) -> None:
        assert self.seen == N // 2, "not all of it"


@pytest.mark.parametrize(
    ("model", "said"),
    [(Narrow, "too narrow"), (Hungry, "out of memory"), (Diverges, "is nan"), (Whole, "not all of it")],
)
def test_what_need_not_hold_for_other_configurations_is_a_note(model: type, said: str) -> None:
    found = tried(model, space={"model": {"width": {"int": [4, 64]}}})
    assert not found.mistakes
    (note,) = found.notes
    assert said in note
