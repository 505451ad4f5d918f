"""``prepare_data``: once before anything is stored, and by one process of the machine at a time."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
from pytorch_lightning.utilities.model_helpers import is_overridden

import lightsearch
from lightsearch.data import ImageData
from lightsearch.preflight import checks
from lightsearch.training.components import instantiate
from studies.examples.tabular import Regressor, Table


class Downloads(Table):
    """Notes when its ``prepare_data`` is entered and left; sets something, as people's modules do."""

    def prepare_data(self) -> None:
        with Path("log").open("a") as log:
            log.write(f"in, stored: {Path('studies/studies.db').exists()}\n")
            log.flush()
            time.sleep(0.2)
            self.prepared = True
            log.write("out\n")

    def setup(self, stage: str) -> None:
        assert self.prepared
        super().setup(stage)


class ModelDownloads(Regressor):
    def prepare_data(self) -> None:
        Path("model-log").touch()


def test_it_is_entered_by_one_at_a_time(place: Path) -> None:
    modules = [instantiate(Downloads, {}, {}) for _ in range(4)]
    threads = [threading.Thread(target=module.prepare_data) for module in modules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line.split(",")[0] for line in (place / "log").read_text().splitlines()] == ["in", "out"] * 4
    assert all(module.prepared for module in modules)


@pytest.mark.usefixtures("place")
def test_lightning_and_pickle_see_no_difference() -> None:
    data, model = instantiate(Downloads, {}, {}), instantiate(ModelDownloads, {}, {})
    for built in (data, pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):
        assert is_overridden("prepare_data", built)
    assert is_overridden("prepare_data", model)
    copy.deepcopy(model).prepare_data()
    assert not is_overridden("prepare_data", instantiate(ImageData, {"dataset": "digits"}, {}))
    assert not is_overridden("prepare_data", instantiate(pl.LightningModule, {}, {}))


def test_a_search_does_it_before_anything_is_stored(place: Path) -> None:
    result = lightsearch.search(
        {
            "name": "prepared",
            "metric": "val_mse",
            "direction": "minimize",
            "data": Downloads,
            "model": ModelDownloads,
            "space": {"model": {"learning_rate": {"float": [1e-4, 1e-2]}}},
            "trainer": {"max_epochs": 1},
        },
        2,
        workers=0,
    )
    assert result.ending == "done"
    entered = [line for line in (place / "log").read_text().splitlines() if line.startswith("in")]
    assert entered[0] == "in, stored: False"
    assert entered[-2:] == ["in, stored: True"] * 2  # each trial's own: it may set what the trial needs
    assert (place / "model-log").exists()


def test_a_search_does_not_build_data_that_has_nothing_to_prepare() -> None:
    def prepares(path: str) -> bool:
        return checks._may_prepare({"data": {"class_path": path}})

    assert not prepares("lightsearch.data.ImageData")
    assert prepares(f"{__name__}.Downloads")
    assert checks._may_prepare({"config": {"class_path": "anything"}})
    assert not checks._may_prepare({"objective": "a.function"})
