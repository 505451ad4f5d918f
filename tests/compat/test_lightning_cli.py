"""What ``compat.lightning_cli`` relies on in LightningCLI and jsonargparse."""

from __future__ import annotations

import contextlib
import importlib
import sys

import lightning.pytorch as lightning
import pytest
import yaml
from jsonargparse import set_loader

from lightsearch.compat.lightning_cli import captured, lightning_cli
from lightsearch.compat.lightning_package import NAMES

BORING = "demos.boring_classes"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("run", [True, False])
def test_a_lightning_cli_is_built_from_the_configuration_and_trains_nothing(
    name: str, run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py"])
    cli = importlib.import_module(f"{name}.cli").LightningCLI
    events: list[str] = []

    class Context:
        def __init__(self, what: str) -> None:
            self.what = what

        def __enter__(self) -> None:
            events.append(self.what)

        def __exit__(self, *_: object) -> None:
            events.append(f"{self.what} ended")

    content = {
        "seed_everything": 3,
        "model": {"class_path": f"{name}.{BORING}.BoringModel"},
        "data": {"class_path": f"{name}.{BORING}.BoringDataModule"},
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.25}},
        "trainer": {"max_epochs": 2, "callbacks": [{"class_path": "LearningRateMonitor"}], "logger": False},
    }
    after = []
    with captured(yaml.safe_dump(content), lambda: Context("data"), lambda: Context("parse")) as capture:  # type: ignore[arg-type, return-value]
        cli(run=run)
        after.append("the project's code went on")
    assert not after
    assert type(capture.model).__name__ == "BoringModel"
    assert type(capture.data).__name__ == "BoringDataModule"
    assert [type(one).__name__ for one in capture.callbacks] == ["LearningRateMonitor"]
    assert capture.trainer_keywords["max_epochs"] == 2
    assert capture.model.configure_optimizers().defaults["lr"] == 0.25
    assert "max_epochs: 2" in capture.dump()
    assert events == ["parse", "parse ended", "data", "data ended"]


def test_the_configuration_is_read_as_the_parser_of_the_project_reads_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with ``parser_mode="omegaconf"``, which resolves ``${key}``."""
    monkeypatch.setattr(sys, "argv", ["main.py"])
    set_loader("resolving", lambda text: yaml.safe_load(text.replace("${seed}", "7")))
    content = (
        "seed_everything: ${seed}\nmodel: lightning.pytorch.demos.boring_classes.BoringModel\ntrainer: {logger: false}"
    )
    with captured(content, contextlib.nullcontext, contextlib.nullcontext) as capture:
        lightning_cli(lightning)(parser_kwargs={"parser_mode": "resolving"}, run=False)
    assert "seed_everything: 7" in capture.dump()


def test_the_settings_of_jsonargparse_are_as_before() -> None:
    settings = importlib.import_module("jsonargparse._common").parsing_settings
    before = dict(settings)
    with captured("", lambda: None, lambda: None):  # type: ignore[arg-type, return-value]
        assert settings["import_paths_enforced"] is False
    assert settings == before
