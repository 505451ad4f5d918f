"""The record of the final model: ``final.json``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from lightsearch.confirm.runs import Run
from lightsearch.confirm.test_uses import Evaluation

CHECKPOINT, PROGRAM, FACTS = "model.ckpt", "model.pt2", "final.json"
WRONG_PICTURE = "wrong-answers.svg"
ALL_FILES = (CHECKPOINT, FACTS, "README.md")


class ClassFigures(BaseModel):
    """One class in the test. A figure whose denominator is zero is None."""

    model_config = ConfigDict(frozen=True)

    name: str
    samples: int = Field(validation_alias=AliasChoices("samples", "images"))  # its name in earlier versions
    """Test samples of the class."""
    recall: float | None
    """The share of its samples that were predicted as this class."""
    precision: float | None
    """The share of the samples predicted as this class that belong to it."""


class Program(BaseModel):
    """The ``torch.export`` archive."""

    model_config = ConfigDict(frozen=True)

    file: str | None
    """None: the model cannot be exported."""
    largest_difference: float | None = None
    """Largest difference between its outputs and the model's, over batches of several sizes."""
    reason: str | None = None
    """Why the model cannot be exported."""


class Weights(BaseModel):
    """How ``model.ckpt`` loads: it was loaded again, and the model compared."""

    model_config = ConfigDict(frozen=True)

    needs: list[str] = []
    """Constructor arguments to pass to ``load_from_checkpoint``, since they are no plain types."""
    differs: list[str] = []
    """What it does not restore."""
    error: str | None = None
    """Why ``load_from_checkpoint`` cannot load it; None if it can."""
    source: str | None = None
    """The file of the class, if it is below the folder in which the command was started."""


class Final(BaseModel):
    """Everything known of the final model."""

    model_config = ConfigDict(frozen=True)

    study: str
    run: Run
    """How it was trained."""
    epochs: int
    """The number of epochs trained."""
    seconds: float
    device: str
    threads: int
    sha256: str
    """The digest of the run's checkpoint, which has the same weights."""
    evaluation: Evaluation | None
    """Its one test: accuracy with a 95% interval, loss. None if it is untested."""
    untested: str | None = None
    """Why it is untested."""
    confusion: list[list[int]] | None
    """The number of test samples by class (row) and by predicted class (column)."""
    classes: list[ClassFigures]
    weights: Weights = Weights()
    arguments: dict[str, str] = {}
    """The model's constructor arguments as Python writes them, shortened."""
    program: Program
    versions: dict[str, str]
    split_hash: str | None
    study_seed: int


def read_final(folder: Path) -> Final | None:
    """The record in a folder; None if the folder is not complete."""
    if not all((folder / name).is_file() for name in ALL_FILES):
        return None
    try:
        return Final.model_validate(json.loads((folder / FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None


def is_foreign(folder: Path) -> bool:
    """Whether a folder holds something other than an exported model, which must not be replaced."""
    return folder.exists() and any(folder.iterdir()) and not (folder / FACTS).is_file()


def describe_error(error: BaseException) -> str:
    """An exception in one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300]}" if lines else type(error).__name__
