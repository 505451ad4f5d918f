"""Limits of the Trainer that end a trial before its first validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning import Trainer

from lightsearch.preflight.dry_run import DryRun
from tests.preflight.modules import Manual, Net, Points, refused, tried


@pytest.mark.parametrize(
    ("trainer", "needed"),
    [
        ({}, 6),
        ({"check_val_every_n_epoch": 2}, 12),
        ({"accumulate_grad_batches": 4}, 2),
        ({"accumulate_grad_batches": 4, "check_val_every_n_epoch": 3}, 6),
        ({"val_check_interval": 0.5}, 3),
        ({"val_check_interval": 4, "accumulate_grad_batches": 3}, 2),
        ({"val_check_interval": 8, "check_val_every_n_epoch": None}, 8),
    ],
)
def test_the_steps_that_a_validation_needs(trainer: dict[str, Any], needed: int, tmp_path: Path) -> None:
    line = refused(trainer={**trainer, "max_steps": needed - 1})
    assert line.startswith(f"trainer.max_steps = {needed - 1}: ends a trial before its first validation")
    assert line.endswith(f"write at least {needed}")
    assert tried(trainer={**trainer, "max_steps": needed}) == DryRun()
    for steps in (needed - 1, needed):  # and so it is
        fitted = Trainer(**quiet(tmp_path), **trainer, max_steps=steps)
        fitted.fit(Net(), datamodule=Points())
        assert ("val_acc" in fitted.callback_metrics) == (steps == needed)


def quiet(folder: Path) -> dict[str, Any]:
    names = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    return {**dict.fromkeys(names, False), "num_sanity_val_steps": 0, "default_root_dir": folder, "accelerator": "cpu"}


def test_manual_optimization_counts_every_optimizers_steps() -> None:
    assert refused(Manual, trainer={"max_steps": 11}).endswith("write at least 12")
    assert tried(Manual, trainer={"max_steps": 12}) == DryRun()


@pytest.mark.parametrize(
    ("trainer", "line"),
    [
        ({"limit_val_batches": 0.1}, "0.1: leaves none of a validation's 3 batches; write at least 0.34"),
        ({"limit_train_batches": 0.01}, "0.01: it raises MisconfigurationException"),
        ({"val_check_interval": 7}, "7: it raises ValueError"),
    ],
)
def test_flags_that_depend_on_the_data(trainer: dict[str, Any], line: str) -> None:
    (name,) = trainer
    assert refused(trainer=trainer).startswith(f"trainer.{name} = {line}")
