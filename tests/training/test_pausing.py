"""A fit that pauses and goes on is the fit that does not pause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning import Callback

from lightsearch.training.stopping import Pause
from tests.training.fits import StopAfter, curve, model, train, weights


def test_it_ends_after_its_epochs_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    whole, log = train(tmp_path / "whole", model=model(1))
    assert whole.stop_reason == "max_epochs"
    parts = [train(tmp_path / "parts", model=model(1), pause=Pause(epochs)) for epochs in (1, 3, 4)]
    assert [fitted.stop_reason for fitted, _ in parts] == ["paused", "paused", "max_epochs"]
    assert [len(part.history) for _, part in parts] == [1, 3, 4]
    assert curve(parts[-1][1]) == curve(log)
    one, other = (weights(tmp_path / side / "last.ckpt") for side in ("whole", "parts"))
    assert all((one[name] == other[name]).all() for name in one)


def test_it_goes_on_at_once_if_it_is_told_to(tmp_path: Path) -> None:
    seen: list[int] = []

    def wait(trainer: Any) -> int | None:
        assert (tmp_path / "parts" / "last.ckpt").exists()
        seen.append(trainer.current_epoch)
        return {0: 3, 2: None}[trainer.current_epoch]

    fitted, log = train(tmp_path / "parts", model=model(1), pause=Pause(1, wait))
    assert (fitted.stop_reason, seen) == ("paused", [0, 2])
    _, whole = train(tmp_path / "whole", model=model(1))
    assert curve(log) == curve(whole)[:3]


def test_a_rule_that_ends_it_after_the_same_epoch_comes_first(tmp_path: Path) -> None:
    class Enough(Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.should_stop = True

    fitted, _ = train(tmp_path, Enough(), pause=Pause(1))
    assert fitted.stop_reason == "Enough"
    patient, log = train(tmp_path / "early", patience=1, min_delta=1.0, pause=Pause(2))
    assert patient.stop_reason == "early_stopping"
    assert len(log.history) == 2


def test_a_process_that_died_after_the_pause_does_not_train_on(tmp_path: Path) -> None:
    train(tmp_path, model=model(1), pause=Pause(2))
    fitted, log = train(tmp_path, model=model(1), pause=Pause(2))
    assert fitted.stop_reason == "paused"
    assert len(log.history) == 2


def test_a_process_that_dies_before_the_pause_pauses_where_it_was_told(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        train(tmp_path, StopAfter(1), model=model(1), pause=Pause(2))
    fitted, log = train(tmp_path, model=model(1), pause=Pause(2))
    assert fitted.stop_reason == "paused"
    assert len(log.history) == 2


def test_it_pauses_after_a_validation(tmp_path: Path) -> None:
    keywords = {"max_epochs": 6, "check_val_every_n_epoch": 2}
    fitted, log = train(tmp_path, keywords=keywords, pause=Pause(3))
    assert fitted.stop_reason == "paused"
    assert len(log.history) == 4
