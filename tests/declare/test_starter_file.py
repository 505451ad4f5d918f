"""What is proposed for classes of the user's own: the metric that is logged in validation, ranges around defaults."""

from __future__ import annotations

import inspect
import tomllib
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import Accuracy, F1Score, MetricCollection
from torchmetrics.classification import MulticlassRecall

from lightsearch.data import ImageData
from lightsearch.declare.logged_names import logged_in_validation
from lightsearch.declare.ranges import as_toml, range_of
from lightsearch.declare.space import Space
from lightsearch.declare.starter_file import propose


class Base(pl.LightningModule):
    """What the modules below share, as modules of one project do."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 3)
        metrics = MetricCollection({"acc": Accuracy(task="multiclass", num_classes=3), "recall": MulticlassRecall(3)})
        self.train_metrics = metrics.clone(prefix="train_")
        self.val_metrics = metrics.clone(prefix="val_")

    def training_step(self, batch: Any) -> Tensor:
        loss = self._step(batch, "train")
        self.log("train_only", loss)
        return loss

    def _step(self, batch: Any, stage: str, suffix: str = "loss") -> Tensor:
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log(f"{stage}_{suffix}", loss)
        return loss


class Stages(Base):
    def validation_step(self, batch: Any) -> None:
        self._step(batch, "val")
        self._step(batch, stage="val/other", suffix="nll")


class Collections(Base):
    def validation_step(self, batch: Any) -> None:
        self.val_metrics.update(self.net(batch[0]), batch[1])
        self.log("val_" + "plain", 1.0)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.val_metrics.compute())
        self.val_metrics.reset()


class Direct(Base):
    def __init__(self) -> None:
        super().__init__()
        tasks = {"num_classes": 3}
        self.multi_objective = MetricCollection(
            [Accuracy(task="multiclass", **tasks), F1Score(task="multiclass", **tasks)], prefix="val/", postfix="_1"
        )

    def validation_step(self, batch: Any) -> None:
        output = self.multi_objective(self.net(batch[0]), batch[1])
        self.log_dict(output, on_epoch=True)
        if batch is not None:
            self.log(name="val/loss", value=0.5)


class Tables(Base):
    def __init__(self) -> None:
        super().__init__()
        metrics = MetricCollection({"acc": Accuracy(task="multiclass", num_classes=3)})
        self.by_stage = nn.ModuleDict({f"{stage}_m": metrics.clone(prefix=f"{stage}/") for stage in ("train", "val")})

    def validation_step(self, batch: Any) -> None:
        self.shared(batch, "val")

    def shared(self, batch: Any, stage: str) -> None:
        metrics = self.by_stage[f"{stage}_m"]
        metrics(self.net(batch[0]), batch[1])
        self.log_dict(metrics)
        for name in ["a", "b"]:
            self.log(f"{stage}_{name}", 1.0)
        found = {"x": 1.0, "y": 2.0}
        self.log_dict({f"{stage}.{key}": value for key, value in found.items()})


@pytest.mark.parametrize("model", [Stages, Collections, Direct, Tables])
def test_the_names_read_are_those_that_lightning_has_logged(model: type[Base]) -> None:
    batches = DataLoader(TensorDataset(torch.rand(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])), batch_size=6)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    (logged,) = trainer.validate(model(), batches, verbose=False)
    assert set(logged_in_validation(model)) == set(logged)


def test_a_metric_is_proposed_that_is_logged_in_validation() -> None:
    text = propose(Direct, ImageData, name="direct", known=set())
    assert tomllib.loads(text)["metric"] == "val/MulticlassAccuracy_1"
    assert tomllib.loads(propose(Stages, ImageData, name="s", known=set()))["direction"] == "minimize"


SIGNATURE: dict[str, Any] = {
    "lr": 1e-5,
    "weight_decay": 0.0,
    "dropout": 0.7,
    "momentum": 0,
    "hidden_dim": 100,
    "n_layers": 6,
    "num_heads": 3,
    "batch_size": 50,
    "channels": 24,
    "widths": (8, 8, 8, 512),
    "width": 1.0,
    "hidden": None,
}


@pytest.mark.parametrize("name", SIGNATURE)
def test_a_range_has_the_default_in_it(name: str) -> None:
    default = SIGNATURE[name]
    span = range_of(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
    assert span is not None
    parsed = tomllib.loads(f"x = {as_toml(span)}")["x"]
    space = Space.model_validate({"model": {name: parsed}})
    if default is not None:
        space.join(
            {"model": {name: list(default) if isinstance(default, tuple) else default}, "data": {}, "trainer": {}}
        )


class Signature(nn.Module):
    def __init__(
        self, lr: float = 1e-3, weight_decay: float = 0.0, widths: Any = (64, 32), dim: int | None = None
    ) -> None:
        super().__init__()


def test_the_defaults_of_a_signature_are_believed_to_be_good() -> None:
    text = propose(Signature, None, name="signature", known=set())
    assert "lr = { float = [1e-4, 1e-1], log = true, prior = 1e-3 }" in text
    space = Space.model_validate(tomllib.loads(text)["space"])
    assert space.prior == {"lr": 1e-3, "weight_decay": 0.0, "widths.length": 2, "widths.0": 64, "widths.1": 32}


@pytest.mark.parametrize(
    ("name", "default"), [("dropout", True), ("hidden", "relu"), ("depth", 2.5), ("widths", "all")]
)
def test_a_default_of_another_kind_is_left_alone_or_scaled(name: str, default: object) -> None:
    span = range_of(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
    assert span == ({"float": [0.625, 10.0], "log": True} if default == 2.5 else None)


def test_what_a_signature_asks_for_decides_between_a_number_and_a_list() -> None:
    def of(hint: object) -> Any:
        return range_of(inspect.Parameter("channels", inspect.Parameter.KEYWORD_ONLY, annotation=hint))

    assert set(of(int)) == {"choice"}
    assert set(of("list[int]")) == {"list", "length"}
    assert of(dict[str, int]) is None
    assert of(str) is None


def test_a_dictionary_of_hyperparameters_is_a_table() -> None:
    class Whole(pl.LightningModule):
        def __init__(self, hparams: Any, cfg, options: dict[str, Any]) -> None:  # type: ignore[no-untyped-def]
            super().__init__()

    text = propose(Whole, None, name="whole", known=set())
    assert tomllib.loads(text)["model"]["init_args"] == {"hparams": {}, "cfg": {}, "options": {}}
    assert 'its keys are sampled as "cfg.KEY"' in text


def test_data_that_needs_its_folds_gets_them() -> None:
    class Folds(pl.LightningDataModule):
        def __init__(self, fold: int, folds: int, batch_size: int = 32) -> None:
            super().__init__()

    text = propose(Stages, Folds, name="a", known=set())
    declared = tomllib.loads(text)
    assert declared["validation"] == {"folds": 5}
    assert "fold" not in declared["data"].get("init_args", {})
    assert "validation" not in tomllib.loads(propose(Stages, ImageData, name="a", known=set()))
