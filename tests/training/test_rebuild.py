"""A trained model built again from what the study recorded, whatever it saves or does not save itself."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import lightsearch
from lightsearch.confirm.evaluation import evaluate
from lightsearch.confirm.weights import write_weights
from lightsearch.coordinator.search_result import SearchResult
from lightsearch.errors import UserError
from lightsearch.training.rebuild import rebuild, whole_checkpoint
from tests.points import CLASSES, Double, Net, Points

URL = "sqlite:///studies/studies.db"


def search(model: type, activation: str = "tanh", data: type = Points, **trainer: Any) -> SearchResult:
    """A search of a single trial in this process."""
    declared = {
        "name": "points",
        "model": model,
        "data": data,
        "space": {"model": {"activation": {"choice": [activation]}}},
        "trainer": {"max_epochs": 3, "accelerator": "cpu", **trainer},
    }
    result = lightsearch.search(declared, 1, workers=0)
    assert result.best is not None, result.failure
    return result


def agree(result: SearchResult) -> Any:
    """Whether the model, loaded, and the test, on the same samples, find what the validation found."""
    assert result.best is not None
    model, data = result.load_best_model(), result.study_file.data
    assert not model.training
    points = Points()
    points.setup("test")
    samples, labels = points.val.tensors
    with torch.no_grad():
        answers = model(samples.to(next(model.parameters()).dtype))
    assert float((answers.argmax(dim=1) == labels).float().mean()) == pytest.approx(result.best.value)
    if data.given is None:  # a class of this file alone cannot be found by its name
        (tested,) = evaluate("points", url=URL, data_dir=None)
        assert tested.metrics == {"test_acc": pytest.approx(result.best.value)}
        assert tested.n_test == 120
    return model


def test_a_module_without_saved_hyperparameters(place: Path) -> None:
    result = search(Net)
    assert result.best is not None
    assert result.best.value is not None
    assert result.best.value > 0.8  # of its default's answers a third are right
    assert agree(result).activation == "tanh"


def test_the_random_numbers_of_the_caller_stay_as_they_are(place: Path) -> None:
    result = search(Net)
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(1)
    expected = torch.rand(1), np.random.rand(), random.random()
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(1)
    result.load_best_model()
    assert (torch.rand(1), np.random.rand(), random.random()) == expected


class SetUp(Net):
    """Makes a layer when it is set up for training, of what its data says, a lazy one, and keeps further state."""

    def __init__(self, activation: str = "zero") -> None:
        super().__init__(activation)
        self.first = nn.LazyLinear(4)
        self.epochs = 0
        self.loaded_from = None

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.last = nn.Linear(4, self.trainer.datamodule.classes)  # type: ignore[attr-defined]
            self.first(torch.zeros(1, 2))

    def on_train_epoch_end(self) -> None:
        self.epochs += 1

    def get_extra_state(self) -> dict[str, int]:
        return {"epochs": self.epochs}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.epochs = state["epochs"]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["by"] = "SetUp"

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.loaded_from = checkpoint["by"]


class Configured(Net):
    """Makes its layers in ``configure_model``, and draws some of itself at random without saving it."""

    def __init__(self, activation: str = "zero") -> None:
        super().__init__(activation)
        self.last = None  # type: ignore[assignment]
        self.turn = torch.linalg.qr(torch.randn(2, 2))[0]

    def configure_model(self) -> None:
        if self.last is None:
            self.last = nn.Linear(4, CLASSES)

    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points @ self.turn.to(points))


def test_layers_of_setup_lazy_ones_and_further_state(place: Path) -> None:
    result = search(SetUp)
    model = agree(result)
    assert result.best is not None
    assert model.epochs == result.best.best_epoch + 1  # type: ignore[operator]
    assert model.loaded_from == "SetUp"
    assert model._trainer is None


def test_layers_of_configure_model_and_what_the_constructor_draws(place: Path) -> None:
    result = search(Configured)
    agree(result)
    assert result.best is not None
    rebuilt = rebuild(result.study_file, result.best, result.folder, None)
    # Such a model is handed over as well; only what it does not save is missing.
    assert write_weights(rebuilt, torch.ones(3, 2), place / "model.ckpt").differs == ["turn"]


def test_a_precision_of_the_trainer(place: Path) -> None:
    result = search(Net, data=Double, precision="64-true")
    model = agree(result)
    state = torch.load(result.folder / str(result.best.checkpoint), weights_only=True)["state_dict"]  # type: ignore[union-attr]
    assert {value.dtype for value in state.values()} == {torch.float64}
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_classes_of_a_notebook(place: Path) -> None:
    class Mine(Net):
        pass

    class Data(Points):
        @property
        def model_arguments(self) -> dict[str, Any]:
            return {"width": 7}

    assert agree(search(Mine, data=Data)).first.out_features == 7


def test_a_damaged_or_missing_checkpoint_and_one_of_another_class(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = search(Net)
    assert result.best is not None
    file = result.folder / str(result.best.checkpoint)
    content = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("tests.points.CLASSES", CLASSES + 1)
        with pytest.raises(UserError, match="does not fit Net; has the class changed"):
            result.load_best_model()
    file.write_bytes(content[:-1])
    with pytest.raises(UserError, match="is damaged: its sha256 has changed"):
        result.load_best_model()
    file.unlink()
    with pytest.raises(UserError, match="is missing; put it back"):
        result.load_best_model()
    deleted = result.best.model_copy(update={"checkpoint": None})
    with pytest.raises(UserError, match=r"checkpoint = None: trial 0 has none; those of the best trials are kept"):
        whole_checkpoint(result.folder, deleted)
