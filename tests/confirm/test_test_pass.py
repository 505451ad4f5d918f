"""A test is of all test samples, through all hooks of the data, and says what it found of each loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lightsearch.confirm import test_pass
from lightsearch.confirm.test_uses import wilson_interval
from lightsearch.data import ImageData
from lightsearch.data.test_set import open_test_set
from lightsearch.errors import Untestable
from tests.points import CLASSES, Net, Points


class Known(Net):
    """Takes a point for the class that is its first coordinate."""

    def forward(self, points: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(points[:, 0].long(), CLASSES).float() + 0 * super().forward(points)


def side(*right: bool) -> TensorDataset:
    """Points of class 1, which ``Known`` takes for it or for class 2."""
    points = torch.tensor([[1.0 if one else 2.0, 0.0] for one in right])
    return TensorDataset(points, torch.ones(len(right), dtype=torch.int64))


class Sides(Points):
    """Its test samples are those given."""

    def __init__(self, *sides: TensorDataset) -> None:
        super().__init__()
        self.sides = sides

    def test_dataloader(self) -> Any:
        loaders = [DataLoader(one, 2) for one in self.sides]
        return loaders[0] if len(loaders) == 1 else loaders


def scores(model: Any, data: Any, folder: Path, **keywords: Any) -> test_pass.Scores:
    begun: list[int] = []
    torch.save({"state_dict": model.state_dict(), "pytorch-lightning_version": "2.6.0"}, folder / "model.ckpt")
    try:
        found = test_pass.test(
            model,
            open_test_set(data),
            folder / "model.ckpt",
            folder=folder,
            keywords={"accelerator": "cpu", **keywords},
            begin=lambda: begun.append(1),
        )
    except Untestable:
        assert not begun
        raise
    assert begun == [1]
    return found


def test_a_single_loader(tmp_path: Path) -> None:
    found = scores(Known(), Sides(side(True, True, False)), tmp_path)
    assert found.metrics == {"test_acc": pytest.approx(2 / 3)}
    assert found.sizes == [3]
    assert found.confusion == [[0, 0, 0], [0, 2, 1], [0, 0, 0]]


class SeveralLoaders(Known):
    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:  # type: ignore[override]
        self.log("test_acc", self.accuracy(batch))
        self.log(f"test_of_{dataloader_idx}", self.accuracy(batch), add_dataloader_idx=False)

    def on_test_epoch_end(self) -> None:
        self.log("test_end", 5.0)


def test_no_loader_is_dropped(tmp_path: Path) -> None:
    found = scores(SeveralLoaders(), Sides(side(True, True, False), side(False), side(True, True)), tmp_path)
    assert found.metrics == {
        "test_acc/dataloader_idx_0": pytest.approx(2 / 3),
        "test_acc/dataloader_idx_1": 0.0,
        "test_acc/dataloader_idx_2": 1.0,
        "test_of_0": pytest.approx(2 / 3),
        "test_of_1": 0.0,
        "test_of_2": 1.0,
        "test_end": 5.0,
    }
    assert found.sizes == [3, 1, 2]
    assert found.confusion is None


def test_metrics_of_one_name_are_kept_apart() -> None:
    nan = float("nan")
    assert test_pass.merged([{"a": 1.0, "b": 2.0, "c": nan}, {"a": 3.0, "b": 2.0, "c": nan, "d": 4.0}]) == {
        "a/dataloader_idx_0": 1.0,
        "a/dataloader_idx_1": 3.0,
        "b": 2.0,
        "c": pytest.approx(nan, nan_ok=True),
        "d": 4.0,
    }


class Hooked(Sides):
    """Its samples are made fit for the model on their way."""

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch["points"] - 1, batch["labels"]

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        return super().transfer_batch_to_device((batch[0] - 1, batch[1]), device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0] - 1, batch[1]

    def test_dataloader(self) -> Any:
        points, labels = self.sides[0].tensors
        samples = [{"points": point + 3, "labels": label} for point, label in zip(points, labels, strict=True)]
        return DataLoader(samples, 2)  # type: ignore[arg-type]


class HookedElsewhere(lightning.pytorch.LightningDataModule):
    """The same of the other copy of Lightning."""

    on_before_batch_transfer = Hooked.on_before_batch_transfer
    on_after_batch_transfer = Hooked.on_after_batch_transfer
    test_dataloader = Hooked.test_dataloader

    def __init__(self, *sides: TensorDataset) -> None:
        super().__init__()
        self.sides = sides

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        return super().transfer_batch_to_device((batch[0] - 1, batch[1]), device, dataloader_idx)


@pytest.mark.parametrize("cls", [Hooked, HookedElsewhere])
def test_the_datas_hooks_are_run_for_the_metrics_and_for_the_matrix(cls: Any, tmp_path: Path) -> None:
    found = scores(Known(), cls(side(True, True, False)), tmp_path)
    assert found.metrics == {"test_acc": pytest.approx(2 / 3)}
    assert found.confusion == [[0, 0, 0], [0, 2, 1], [0, 0, 0]]


class HookedImages(ImageData):
    """The test images of a subclass go through its hooks too; its signature is its own."""

    def __init__(self) -> None:
        super().__init__("digits")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        points = torch.nn.functional.pad(batch[1][:, None].float(), (0, 1))
        return points.clamp(max=2), batch[1].clamp(max=2)


def test_the_test_images_of_image_data(tmp_path: Path) -> None:
    found = scores(Known(), HookedImages(), tmp_path)
    assert found.metrics == {"test_acc": 1.0}
    assert found.sizes == [359]


class Accuracy(Known):
    """Its forward gives a code of a sample, not a class."""

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("test_acc", 1 - (self(batch[0]).argmax(dim=1) - batch[1]).abs().float().mean() / 2)


class WithoutForward(Known):
    forward = Net.__base__.forward  # type: ignore[union-attr]

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("test_acc", (batch[0][:, 0].long() == batch[1]).float().mean())


class Twice(Known):
    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self(batch[0])
        super().test_step(batch)


@pytest.mark.parametrize("cls", [Accuracy, WithoutForward, Twice])
def test_a_matrix_that_cannot_be_right_is_left_out(cls: Any, tmp_path: Path) -> None:
    found = scores(cls(), Sides(side(True, True, False)), tmp_path)
    assert set(found.metrics) == {"test_acc"}
    assert found.confusion is None


def test_what_is_not_tested_whole_has_no_size(tmp_path: Path) -> None:
    found = scores(Known(), Sides(side(True, True, False)), tmp_path, limit_test_batches=1)
    assert (found.metrics, found.sizes) == ({"test_acc": 1.0}, [None])


@pytest.mark.parametrize("loaders", [None, [], DataLoader(TensorDataset(torch.zeros(0, 2)))])
def test_without_samples_no_test_begins(loaders: Any, tmp_path: Path) -> None:
    data = Points()
    data.test_dataloader = lambda: loaders  # type: ignore[method-assign]
    with pytest.raises(Untestable, match=r"data\.class_path = 'Points': "):
        scores(Known(), data, tmp_path)


def test_the_interval_is_wilsons() -> None:
    from scipy.stats import binomtest

    low, high = wilson_interval(0.9, 200)
    expected = binomtest(180, 200).proportion_ci(method="wilson")
    assert (low, high) == (pytest.approx(expected.low, abs=1e-4), pytest.approx(expected.high, abs=1e-4))
