"""Flags of the Trainer that make a search impossible."""

from typing import Any

import pytest

from lightsearch.declare.trainer_flags import check_flags


def refused(
    given: dict[str, Any], sampled: dict[str, list[Any]] | None = None, *, has_logger: bool = False
) -> list[str]:
    found = check_flags({"max_epochs": 30, **given}, sampled or {}, has_logger=has_logger)
    return [str(mistake) for mistake in found]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"fast_dev_run": True}, "trainer.fast_dev_run = True: ends every trial after one batch"),
        ({"fast_dev_run": 3}, "trainer.fast_dev_run = 3: ends every trial after one batch"),
        ({"barebones": True}, "trainer.barebones = True: turns checkpoints and logging off"),
        ({"enable_checkpointing": False}, "trainer.enable_checkpointing = False: a search needs checkpoints"),
        ({"limit_train_batches": 0}, "trainer.limit_train_batches = 0: leaves nothing to train on"),
        ({"limit_val_batches": 0.0}, "trainer.limit_val_batches = 0.0: leaves no validation"),
        ({"limit_test_batches": 0}, "trainer.limit_test_batches = 0: leaves nothing to test on"),
        ({"max_steps": 0}, "trainer.max_steps = 0: leaves nothing to train"),
        ({"check_val_every_n_epoch": 0}, "trainer.check_val_every_n_epoch = 0: write at least 1"),
        ({"check_val_every_n_epoch": 31}, "trainer.check_val_every_n_epoch = 31: no validation runs within 30 epochs"),
        ({"min_epochs": 31}, "trainer.min_epochs = 31: is above max_epochs, 30"),
        ({"plugins": ["x"]}, "trainer.plugins = ['x']: would replace the plugin that writes checkpoints safely"),
        ({"logger": "csv"}, "trainer.logger = 'csv': name a logger in its own section: [logger]"),
    ],
)
def test_a_flag_with_which_a_search_cannot_work(given: dict[str, Any], line: str) -> None:
    (found,) = refused(given)
    assert found.startswith(line)


def test_flags_that_are_sampled() -> None:
    assert refused({}, {"limit_val_batches": [0.0, 0.5]})[0].startswith("space.trainer.limit_val_batches = 0.0: leaves")
    assert refused({}, {"max_epochs": [0, 5]}) == ["space.trainer.max_epochs = 0: sample whole numbers from 1"]
    (line,) = refused({"check_val_every_n_epoch": 5}, {"max_epochs": [3, 30]})
    assert line.startswith("trainer.check_val_every_n_epoch = 5: no validation runs within 3 epochs")


def test_one_logger() -> None:
    (line,) = refused({"logger": True}, has_logger=True)
    assert line.startswith("trainer.logger = True: there is a section [logger]")
    assert refused({"logger": True}) == []


def test_what_works() -> None:
    works = {"fast_dev_run": False, "limit_val_batches": 0.5, "check_val_every_n_epoch": 30, "max_steps": -1}
    assert refused({**works, "enable_checkpointing": True, "barebones": False, "min_epochs": 30}) == []
