"""The model as files: does ``model.ckpt`` load by itself, as the model that was tested?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightsearch.confirm.example import example_of
from lightsearch.confirm.model_differences import model_differences
from lightsearch.confirm.program import export_program
from lightsearch.confirm.record import Weights
from lightsearch.confirm.weights import write_weights
from lightsearch.training.rebuild import Rebuilt
from tests.confirm.test_test_pass import Hooked, side
from tests.points import CLASSES, Net, Points


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classes of this file do not lie below the folder of the command."""
    monkeypatch.chdir(tmp_path)


def rebuilt(cls: Any, folder: Path, **arguments: Any) -> Rebuilt:
    """A model of these arguments with its checkpoint."""
    torch.manual_seed(1)
    model = cls(**arguments).eval()
    state: dict[str, Any] = {"state_dict": model.state_dict(), "pytorch-lightning_version": "2.6.0", "callbacks": {}}
    if model.hparams:
        state |= {"hyper_parameters": dict(model.hparams), "hparams_name": model._hparams_name}
    torch.save(state, folder / "best.ckpt")
    return Rebuilt(model, Points(), arguments, folder / "best.ckpt")


def exported(cls: Any, folder: Path, **arguments: Any) -> tuple[Rebuilt, Weights]:
    made = rebuilt(cls, folder, **arguments)
    return made, write_weights(made, example_of(made), folder / "model.ckpt")


class Saving(Net):
    def __init__(self, activation: str = "zero", width: int = 4, lr: float = 0.05) -> None:
        super().__init__(activation, width, lr)
        self.save_hyperparameters()


class SavingPart(Net):
    def __init__(self, activation: str = "zero", width: int = 4) -> None:
        super().__init__(activation, width)
        self.save_hyperparameters("width")


class Table(Net):
    """Takes a table, and keeps it under its name, as Lightning's own modules once did."""

    def __init__(self, hparams: dict[str, Any], lr: float = 0.05) -> None:
        super().__init__(**hparams, lr=lr)
        self.save_hyperparameters(hparams)


class Keywords(Net):
    def __init__(self, width: int = 4, **more: Any) -> None:
        super().__init__(width=width, **more)


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Net, {"activation": "tanh", "width": 6, "lr": 0.1}),
        (Net, {"activation": "relu", "width": np.int64(6)}),
        (Saving, {"activation": "tanh", "width": 6}),
        (SavingPart, {"activation": "tanh", "width": 6}),
        (Table, {"hparams": {"activation": "tanh", "width": 6}}),
        (Table, {"hparams": {"activation": "tanh", "width": 6}, "lr": 0.2}),
        (Keywords, {"activation": "tanh", "width": 6}),
    ],
)
def test_a_checkpoint_loads_by_itself(cls: Any, arguments: dict[str, Any], tmp_path: Path) -> None:
    made, weights = exported(cls, tmp_path, **arguments)
    assert weights == Weights()
    loaded = cls.load_from_checkpoint(tmp_path / "model.ckpt", map_location="cpu", weights_only=True).eval()
    assert (loaded.activation, loaded.lr) == (made.model.activation, made.model.lr)
    points = torch.randn(5, 2)
    assert torch.equal(loaded(points), made.model(points))
    assert "callbacks" not in torch.load(tmp_path / "model.ckpt", weights_only=True)


def test_what_the_module_saved_is_kept_where_it_serves(tmp_path: Path) -> None:
    exported(Saving, tmp_path, activation="tanh")
    state = torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert state["hyper_parameters"] == {"activation": "tanh", "width": 4, "lr": 0.05}
    assert state["hparams_name"] == "kwargs"


class Scaled(Net):
    """Takes something that no checkpoint holds."""

    def __init__(self, activation: str = "zero", scale: Any = None) -> None:
        super().__init__(activation)
        self.scale = 1.0 if scale is None else scale.factor

    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points) * self.scale


class Scale:
    factor = 3.0


def test_an_argument_that_is_no_plain_type_is_named(tmp_path: Path) -> None:
    made, weights = exported(Scaled, tmp_path, activation="tanh", scale=Scale())
    assert weights == Weights(needs=["scale"])
    options: dict[str, Any] = {"map_location": "cpu", "weights_only": True, "scale": Scale()}
    assert not model_differences(
        made.model, Scaled.load_from_checkpoint(tmp_path / "model.ckpt", **options).eval(), None
    )


class Turned(Net):
    """Draws at random what it does not save."""

    def __init__(self, activation: str = "zero") -> None:
        super().__init__(activation)
        self.turn = torch.randn(2, 2)


class SetUp(Net):
    def setup(self, stage: str) -> None:
        self.last = nn.Sequential(nn.Linear(4, CLASSES))  # type: ignore[assignment]


def test_what_does_not_come_back_is_said(tmp_path: Path) -> None:
    _, weights = exported(Turned, tmp_path, activation="tanh")
    assert (weights.differs, weights.error) == (["turn"], None)
    made = rebuilt(Net, tmp_path, activation="tanh")
    model = SetUp("tanh")
    model.setup("fit")
    torch.save({"state_dict": model.state_dict(), "pytorch-lightning_version": "2.6.0"}, made.checkpoint)
    weights = write_weights(made._replace(model=model.eval()), None, tmp_path / "model.ckpt")
    assert weights.error is not None
    assert weights.error.startswith("RuntimeError: Error(s) in loading state_dict for SetUp:")


def test_differences_are_of_weights_layers_plain_attributes_and_answers() -> None:
    torch.manual_seed(1)
    one, other = Net("tanh").eval(), Net("tanh").eval()
    other.load_state_dict(one.state_dict())
    assert not model_differences(one, other, torch.ones(2, 2))
    other.activation = "relu"
    assert model_differences(one, other, torch.ones(2, 2)) == ["activation"]
    other.activation = "tanh"
    other.forward = lambda points: one(points) + 1  # type: ignore[method-assign]
    assert model_differences(one, other, torch.ones(2, 2)) == ["forward"]
    del other.forward
    with torch.no_grad():
        other.last.bias += 1
    assert model_differences(one, other, None) == ["last.bias"]
    one.last, other.last = nn.Dropout(0.1), nn.Dropout(0.2)  # type: ignore[assignment]
    assert model_differences(one, other, None) == ["last.p"]


def test_an_example_goes_through_the_datas_hooks(tmp_path: Path) -> None:
    class Data(Hooked):
        train_dataloader = Hooked.test_dataloader

    made = rebuilt(Net, tmp_path)._replace(data=Data(side(True, True)))
    found = example_of(made)
    assert found is not None
    assert found.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_a_hook_that_needs_a_trainer_is_left_out(tmp_path: Path) -> None:
    class Noisy(Hooked):
        train_dataloader = Hooked.test_dataloader

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return batch if self.trainer.training else None  # type: ignore[union-attr]

    plain = example_of(rebuilt(Net, tmp_path)._replace(data=Noisy(side(True, True))))
    assert plain is not None
    assert plain.shape == (2, 2)


class WithoutForward(Net):
    forward = Net.__base__.forward  # type: ignore[union-attr]


def test_a_module_without_forward_is_not_exported(tmp_path: Path) -> None:
    program = export_program(WithoutForward(), torch.ones(2, 2), tmp_path / "model.pt2")
    assert (program.file, program.reason) == (None, "WithoutForward has no forward")
    _, weights = exported(WithoutForward, tmp_path, activation="tanh")
    assert weights == Weights()
