"""The test of a search's trials: what is told of it, and when a use of the test set counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader, Subset

import lightsearch
from lightsearch.cli.evaluate import main
from lightsearch.confirm.evaluation import evaluate
from lightsearch.confirm.test_uses import Evaluation, wilson_interval
from lightsearch.errors import Untestable
from tests.points import Net, Points

URL = "sqlite:///studies/studies.db"


def search(model: type, data: type = Points, n_trials: int = 1, **more: Any) -> Any:
    """A search in this process, and the uses of its test set so far."""
    trainer = {"max_epochs": 2, "accelerator": "cpu"}
    declared = {"name": "points", "model": model, "data": data, "trainer": trainer, **more}
    return lightsearch.search(declared, n_trials, workers=0).study


class Several(Points):
    """All of its samples, and thirty of them."""

    def test_dataloader(self) -> Any:
        return [DataLoader(self.val, 50), DataLoader(Subset(self.val, range(30)), 50)]


class SeveralLoaders(Net):
    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:  # type: ignore[override]
        super().test_step(batch)


def test_all_test_loaders_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = search(SeveralLoaders, Several)
    capsys.readouterr()
    main("points")
    (kept,) = study.user_attrs["test_evaluations"]
    assert (kept["n_test"], kept["sizes"]) == (150, [120, 30])
    first, second = kept["metrics"].values()
    low, high = kept["intervals"]["test_acc/dataloader_idx_1"]
    assert (low, high) == pytest.approx(wilson_interval(second, 30))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert f"test_acc/dataloader_idx_0 {first:.5g}" in lines
    assert f"test_acc/dataloader_idx_1 {second:.5g}" in lines
    assert f"95% interval of test_acc/dataloader_idx_1 on 30 samples: {low:.4f} to {high:.4f}" in lines


def test_all_test_loaders_are_told_of_a_whole_front(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = {"metric": ["val_acc", "parameters"], "direction": ["maximize", "minimize"]}
    widths = {"model": {"width": {"int": [1, 20]}, "activation": {"choice": ["tanh"]}}}
    enqueue = ({"width": 1}, {"width": 20})
    study = search(SeveralLoaders, Several, 2, space=widths, enqueue=enqueue, **both)
    capsys.readouterr()
    main("points")
    said = capsys.readouterr().out
    kept = study.user_attrs["test_evaluations"]
    assert len(kept) == len({use["trial"] for use in kept}) == 2
    for use in kept:
        assert all(f"{value:.5g}" in said for value in use["metrics"].values())
        assert all(f"{low:.4f} to {high:.4f}" in said for low, high in use["intervals"].values())


class WithoutTestStep(Net):
    test_step = LightningModule.test_step


class Empty(Points):
    def test_dataloader(self) -> Any:
        return []


@pytest.mark.parametrize(
    ("model", "data", "line"),
    [
        (
            WithoutTestStep,
            Points,
            "model.class_path = 'tests.confirm.test_evaluation.WithoutTestStep': has no test_step",
        ),
        (Net, Empty, "data.class_path = 'Empty': has no test set; give it a test_dataloader"),
    ],
)
def test_what_cannot_be_tested_is_a_line_and_no_use(model: type, data: type, line: str, place: Path) -> None:
    study = search(model, data)
    with pytest.raises(Untestable, match=line):
        evaluate("points", url=URL, data_dir=None)
    assert "test_evaluations" not in study.user_attrs
    assert not (place / "studies" / "points" / "test_evaluations.json").exists()


class Failing(Net):
    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        raise ArithmeticError(f"as it may be with {len(batch)} parts")


class Percent(Net):
    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log("test_acc", 100 * self.accuracy(batch))


class OtherNames(Net):
    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.log_dict({"test/accuracy": self.accuracy(batch), "test/acc_of_classes": 0.5 + 1e-4, "test/loss": 0.5})


def test_a_test_that_fails_is_a_use(place: Path) -> None:
    study = search(Failing)
    with pytest.raises(ArithmeticError):
        evaluate("points", url=URL, data_dir=None)
    assert [use["metrics"] for use in study.user_attrs["test_evaluations"]] == [None]


def test_an_accuracy_of_any_name_has_an_interval_and_a_mean_over_classes_has_none(place: Path) -> None:
    search(OtherNames)
    (tested,) = evaluate("points", url=URL, data_dir=None)
    assert tested.metrics is not None
    assert tested.intervals == {"test/accuracy": pytest.approx(wilson_interval(tested.metrics["test/accuracy"], 120))}


def test_what_an_earlier_version_has_stored_is_read(place: Path) -> None:
    study = search(Net)
    (tested,) = evaluate("points", url=URL, data_dir=None)
    (stored,) = study.user_attrs["test_evaluations"]
    old = {**stored, "intervals": {}, "interval": stored["intervals"]["test_acc"]}
    assert Evaluation.model_validate(old) == tested


def test_an_accuracy_in_percent_has_no_interval(place: Path) -> None:
    search(Percent)
    (tested,) = evaluate("points", url=URL, data_dir=None)
    assert tested.metrics is not None
    assert tested.metrics["test_acc"] > 1
    assert tested.intervals == {}
