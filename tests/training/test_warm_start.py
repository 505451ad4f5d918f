"""A fit that starts from the weights of another training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from lightsearch.declare.init_from import InitFrom
from lightsearch.errors import UserError
from lightsearch.training.components import Components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.warm_start import WarmStart, load_weights
from tests.points import Net, Points
from tests.training.fits import StopAfter


class First(Callback):
    """Keeps the weights with which training begins."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.weights = {name: value.clone() for name, value in pl_module.state_dict().items()}


class MadeInSetup(Net):
    """Has all its layers only after ``setup``."""

    def __init__(self) -> None:
        super().__init__("tanh")
        for name, _ in list(self.named_children()):
            delattr(self, name)

    def setup(self, stage: str) -> None:
        if not list(self.children()):
            for name, layer in Net("tanh").named_children():
                setattr(self, name, layer)


def started(folder: Path, file: Path, *more: Any, model: LightningModule | None = None) -> dict[str, torch.Tensor]:
    first = First()
    keywords = {"max_epochs": 3, "accelerator": "cpu"}
    built = Components(model or Net("tanh"), Points(), 7, keywords, callbacks=[WarmStart(InitFrom(path=str(file)))])
    folder.mkdir(exist_ok=True)
    log = EpochLog(folder / "epochs.csv")
    fit(built, WithValidation("val_acc", "max"), folder=folder, log=log, callbacks=[first, *more])
    return first.weights


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("model", [None, MadeInSetup()])
def test_training_begins_with_the_weights_of_the_file(tmp_path: Path, model: Net | None) -> None:
    weights = Net("tanh").state_dict()
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "pretrained.ckpt")
    assert equal(started(tmp_path / "fit", tmp_path / "pretrained.ckpt", model=model), weights)


def test_a_fit_that_resumes_goes_on_from_its_own_checkpoint(tmp_path: Path) -> None:
    torch.save(Net("tanh").state_dict(), tmp_path / "plain.pt")
    with pytest.raises(KeyError):
        started(tmp_path / "fit", tmp_path / "plain.pt", StopAfter(1))
    own = torch.load(tmp_path / "fit" / "last.ckpt", weights_only=True)["state_dict"]
    assert equal(started(tmp_path / "fit", tmp_path / "plain.pt"), own)


def test_what_differs_is_named_and_left_out_only_if_asked(tmp_path: Path) -> None:
    model = Net("tanh")
    other = model.state_dict()
    kept, *_, changed, gone = other
    del other[gone]
    other |= {changed: torch.zeros(1, 2, 3), "old.head": torch.zeros(1), kept: torch.ones_like(other[kept])}
    file = tmp_path / "other.pt"
    torch.save(other, file)
    with pytest.raises(UserError) as refused:
        load_weights(model, InitFrom(path=str(file)))
    line = str(refused.value)
    assert f"without {gone}; unknown old.head; of another shape {changed} (1, 2, 3)" in line
    assert "strict = false" in line
    before = model.state_dict()[changed].clone()
    assert load_weights(model, InitFrom(path=str(file), strict=False)) is not None
    assert torch.equal(model.state_dict()[kept], torch.ones_like(other[kept]))
    assert torch.equal(model.state_dict()[changed], before)


class Harmful:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


def test_nothing_in_the_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Net("tanh").state_dict(), "more": Harmful()}, "harmful.ckpt")
    Path("text.ckpt").write_text("not a checkpoint")
    for name, words in (("harmful.ckpt", "cannot be loaded safely"), ("text.ckpt", "cannot be read as a checkpoint")):
        with pytest.raises(UserError, match=words) as refused:
            load_weights(Net("tanh"), InitFrom(path=name))
        assert "\n" not in str(refused.value)
    assert not Path("executed").exists()
