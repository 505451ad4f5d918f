"""What checkpoints hold: values alone; what cannot be loaded safely is refused when it is written, and never lost."""

from __future__ import annotations

import enum
import math
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback

from lightsearch.display.failure import describe_failure
from lightsearch.outcome import describe
from lightsearch.paths import LAST
from lightsearch.training import safe_loading
from lightsearch.training.checkpoint_io import SafeCheckpoints
from lightsearch.training.resume import is_whole, resume_point
from lightsearch.training.safe_loading import NotLoadable
from tests.training.fits import Dropped, StopAfter, curve, train


class Colour(enum.Enum):
    RED = 1


class Mode(enum.StrEnum):
    FAST = "fast"


class Noting(Dropped):
    """A classifier that notes arguments which are no plain values."""

    def __init__(
        self,
        hidden_size: int = 16,
        activation: type = torch.nn.ReLU,
        colour: Colour = Colour.RED,
        mode: Mode = Mode.FAST,
        root: Path = Path("somewhere"),
        scale: Callable[[float], float] = math.sqrt,
        share: Any = np.float32(0.5),  # noqa: B008
    ) -> None:
        super().__init__(in_features=64, num_classes=10, hidden_size=hidden_size)
        self.save_hyperparameters()


class Payload:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("/tmp/lightsearch-payload-was-executed",)


class Remembering(Callback):
    """A callback whose state is more than values."""

    def state_dict(self) -> dict[str, Any]:
        return {"colour": Colour.RED}


def test_noted_arguments_that_are_no_values_do_not_keep_a_fit_from_being_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(folder: str, *callbacks: Any) -> list[dict[str, float]]:
        torch.manual_seed(1)
        return curve(train(tmp_path / folder, *callbacks, model=Noting())[1])

    whole = run("whole")
    with pytest.raises(KeyError):
        run("resumed", StopAfter(2))
    assert run("resumed") == whole
    checkpoint = torch.load(tmp_path / "resumed" / "best.ckpt", weights_only=True)  # as anybody may load it
    noted = checkpoint["hyper_parameters"]
    assert {name: noted[name] for name in ("hidden_size", "mode", "root", "share")} == {
        "hidden_size": 16, "mode": "fast", "root": "somewhere", "share": 0.5
    }  # fmt: skip
    assert checkpoint[safe_loading.LEFT_OUT] == ["activation", "colour", "scale"]
    assert "checkpoints hold no activation, colour, scale" in capsys.readouterr().out


def test_states_of_harmless_types_are_loaded_as_they_were(tmp_path: Path) -> None:
    states = {
        "numbers": [np.float64(0.1), np.int32(3), np.True_],
        "path": Path("a/b"),
        "time": datetime(2030, 1, 1, tzinfo=UTC),
        "random": (random.getstate(), np.random.default_rng(0).bit_generator.state),
        "set": {1, 2},
    }
    checkpoint = {**states, "array": np.arange(6.0).reshape(2, 3)}
    SafeCheckpoints(tmp_path).save_checkpoint(checkpoint, tmp_path / LAST)
    loaded = safe_loading.load(tmp_path / LAST)
    assert {name: loaded[name] for name in states} == states
    assert np.array_equal(loaded["array"], checkpoint["array"])


def test_what_could_not_be_loaded_again_is_refused_when_it_is_written(tmp_path: Path) -> None:
    holds = r"holds tests\.training\.test_safe_loading\.Colour, which cannot be loaded"
    with pytest.raises(NotLoadable, match=holds) as refused:
        train(tmp_path / "fit", Remembering())
    error = describe(refused.value)
    assert error.hits_every_trial  # every other trial would end likewise
    assert describe_failure(error) == error.message
    assert not list((tmp_path / "fit").glob("*.ckpt*"))


def test_a_whole_checkpoint_with_another_type_is_neither_executed_nor_deleted(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "hyper_parameters": {"x": Payload()}}, tmp_path / LAST)
    content = (tmp_path / LAST).read_bytes()
    assert is_whole(tmp_path / LAST)
    with pytest.raises(NotLoadable, match=r"holds posix\.mkdir"):
        resume_point(tmp_path)
    assert (tmp_path / LAST).read_bytes() == content
    assert not Path("/tmp/lightsearch-payload-was-executed").exists()
