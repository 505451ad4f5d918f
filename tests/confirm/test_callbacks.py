"""A study whose callbacks were objects: it can be tested, and not be trained again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytorch_lightning.callbacks import EarlyStopping

import lightsearch
from lightsearch.errors import UserError
from tests.conftest import command

LINE = (
    "callbacks[0] = 'pytorch_lightning.callbacks.early_stopping.EarlyStopping': was given to search() as an object, "
    "which no study can store; declare it with class_path and init_args, and search under another name"
)


def test_a_study_of_callbacks_that_were_objects_says_that_it_cannot_be_retrained(place: Path) -> None:
    found = lightsearch.search(
        "studies/digits.toml", 1, trainer={"max_epochs": 1}, workers=0, callbacks=[EarlyStopping("val_loss")]
    )
    for option in ((), ("--reproduce", 0)):
        refused = command("retrain", *option, cwd=place)
        assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"{LINE}\n")
    with pytest.raises(UserError) as raised:
        lightsearch.retrain("digits")
    assert str(raised.value) == LINE
    assert not (place / "reports").exists()
    with pytest.raises(UserError) as raised:
        lightsearch.search(lightsearch.load("digits").study_file, 2, workers=0)
    assert str(raised.value) == LINE
    (tested,) = lightsearch.evaluate("digits")
    assert tested.trial == 0
    assert found.load_best_model() is not None
