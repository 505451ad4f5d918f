"""Callbacks in a study file and from Python: what is checked, and what is stored."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping

from lightsearch.declare.callbacks import as_specs
from lightsearch.declare.init_from import check_init_from, located
from lightsearch.declare.reading import check_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.errors import UserError
from lightsearch.study.stored import differences

STOPPING = "pytorch_lightning.callbacks.EarlyStopping"


def declared(*callbacks: dict[str, Any], sampled: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    model = {"class_path": "tests.points.Net"}
    space = {"callbacks": sampled or {}}
    return {"name": "n", "data": model, "model": model, "callbacks": list(callbacks), "space": space, **more}


def study(*callbacks: dict[str, Any], **more: Any) -> StudyFile:
    study_file, mistakes = validate(declared(*callbacks, **more))
    assert study_file is not None, mistakes
    return study_file


def test_a_study_without_callbacks_has_the_fingerprint_that_it_always_had() -> None:
    shape = study().fingerprint()
    assert "callbacks" not in shape
    assert "init_from" not in shape
    assert set(shape["space"]) == {"model", "data", "trainer"}


def test_sampled_arguments_belong_to_one_callback() -> None:
    one = {"class_path": STOPPING, "init_args": {"monitor": "a"}}
    patience = {"int": [1, 4]}
    space = study(one, sampled={"EarlyStopping.patience": patience}).space
    assert space.names == ["EarlyStopping.patience"]
    assert space.split({"EarlyStopping.patience": 2})["callbacks"] == {"EarlyStopping": {"patience": 2}}
    for callbacks, argument, words in (
        ([one], "EarlyStoping.patience", 'did you mean "EarlyStopping"'),
        ([one], "patience", "CALLBACK.argument"),
        ([one, one], "EarlyStopping.patience", "give each a name"),
    ):
        _, (mistake,) = validate(declared(*callbacks, sampled={argument: patience}))
        assert words in str(mistake)
    study(one, {**one, "name": "Second"}, sampled={"Second.patience": patience})


@pytest.mark.parametrize("cls", [EarlyStopping, lightning.pytorch.callbacks.EarlyStopping])
def test_an_object_is_described_so_that_a_changed_one_is_noticed(cls: Any) -> None:
    fingerprints = [study(*as_specs([cls("val_loss", patience=n)])).fingerprint() for n in (3, 3, 4)]
    assert fingerprints[0] == fingerprints[1]
    (line,) = differences(fingerprints[0], fingerprints[2])
    assert line == "callbacks[0].attributes.patience: 3 in the study, 4 in the file"


class Locked(Callback):
    def __init__(self) -> None:
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Locked(), "callbacks[0] = 'Locked': cannot be copied for the trials"),
        (EarlyStopping, "is no callback"),
        ("EarlyStopping", "is no callback"),
    ],
)
def test_what_is_no_callback_or_cannot_be_copied_is_one_line(given: Any, words: str) -> None:
    with pytest.raises(UserError) as refused:
        as_specs([given])
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_file_brings_a_pickle() -> None:
    given = {"class_path": STOPPING, "given": b"", "attributes": {}}
    assert [mistake.field for mistake in check_declaration(declared(given))] == [
        "callbacks[0].given",
        "callbacks[0].attributes",
    ]


def test_the_file_of_init_from_is_found_and_its_content_is_what_counts(tmp_path: Path) -> None:
    (tmp_path / "one.ckpt").write_bytes(b"weights")
    found = located({"init_from": "one.ckpt"}, tmp_path)
    assert found["init_from"]["path"] == str(tmp_path / "one.ckpt")
    assert check_init_from(found) == []
    (tmp_path / "one.ckpt").rename(tmp_path / "moved.ckpt")
    moved = located({"init_from": {"path": "moved.ckpt"}}, tmp_path)
    assert study(**found).fingerprint() == study(**moved).fingerprint()
    (tmp_path / "moved.ckpt").write_bytes(b"others")
    assert "has changed" in str(check_init_from(moved)[0])
    assert "no such file that can be read" in str(check_init_from(found)[0])


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"class_path": STOPPING, "init_arg": {}},
            'callbacks[0].init_arg = {}: unknown key; did you mean "init_args"?',
        ),
        ({"class_path": "EarlyStopping"}, "callbacks[0].class_path = 'EarlyStopping': write package.module.Class"),
        ({"class_path": STOPPING, "name": "a.b"}, "callbacks[0].name = 'a.b': write letters, digits and _"),
    ],
)
def test_a_wrong_key_is_named(given: dict[str, Any], line: str) -> None:
    _, (mistake,) = validate(declared(given))
    assert str(mistake) == line
