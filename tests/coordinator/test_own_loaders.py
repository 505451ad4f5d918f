"""A model with loaders of its own: a study without data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch.utils.data import DataLoader, random_split

import lightsearch
from lightsearch.confirm.evaluation import evaluate
from lightsearch.errors import Untestable, UserError
from tests.points import Net, Points

URL = "sqlite:///studies/studies.db"


class OwnLoaders(Net):
    """Splits its samples at random in each ``setup``."""

    validated: ClassVar[list[list[int]]] = []

    def setup(self, stage: str) -> None:
        points = Points()
        points.setup("fit")
        self.train_part, self.val_part = random_split(points.train, [90, 30])
        self.validated.append(list(self.val_part.indices))

    def train_dataloader(self) -> Any:
        return DataLoader(self.train_part, 20, shuffle=True)

    def val_dataloader(self) -> Any:
        return DataLoader(self.val_part, 30)


class WithTest(OwnLoaders):
    def test_dataloader(self) -> Any:
        points = Points()
        points.setup("test")
        return DataLoader(points.val, 40)


def search(model: type, **more: Any) -> lightsearch.SearchResult:
    space = {"model": {"lr": {"float": [1e-3, 1e-1]}, "width": {"int": [2, 8]}}}
    trainer = {"max_epochs": 2, "accelerator": "cpu"}
    return lightsearch.search({"name": "own", "model": model, "space": space, "trainer": trainer, **more}, 2, workers=0)


def test_all_trials_and_the_test_have_one_split(place: Path) -> None:
    OwnLoaders.validated.clear()
    result = search(WithTest)
    (evaluation,) = evaluate("own", url=URL, data_dir=None)
    assert evaluation.n_test == 120
    assert result.load_best_model().last.in_features == result.best.params["width"]  # type: ignore[union-attr]
    assert len(OwnLoaders.validated) >= 3
    assert all(one == OwnLoaders.validated[0] for one in OwnLoaders.validated)


def test_without_a_test_set_the_evaluation_says_so(place: Path) -> None:
    search(OwnLoaders)
    with pytest.raises(Untestable, match="'OwnLoaders': has no test set; give it a test_dataloader"):
        evaluate("own", url=URL, data_dir=None)


def test_a_model_without_loaders_needs_data(place: Path) -> None:
    with pytest.raises(UserError, match="data = None: is missing; add it, or give the model a train_dataloader"):
        search(Net)
    with pytest.raises(UserError, match="there is no"):
        search(OwnLoaders, space={"data": {"batch_size": {"int": [1, 4]}}})
    assert not (place / "studies" / "studies.db").exists()
