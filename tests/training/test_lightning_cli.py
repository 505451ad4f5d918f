"""A project that uses LightningCLI is searched as it is: its own CLI builds every trial."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import lightsearch
from lightsearch.confirm.evaluation import evaluate
from lightsearch.declare.lightning_cli import embedded
from lightsearch.errors import UserError
from lightsearch.study.exported_config import exported_config
from tests.conftest import command, environment

URL = "sqlite:///studies/studies.db"

PARTS = """
import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Encoder(nn.Module):
    def __init__(self, width: int = 8, depth: int = 1):
        super().__init__()
        sizes = [4] + [width] * depth
        layers = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in zip(sizes, sizes[1:])]
        self.layers, self.width = nn.Sequential(*layers), width


class Net(pl.LightningModule):
    def __init__(self, encoder: nn.Module, n_classes: int, scale: float = 1.0):
        super().__init__()
        self.save_hyperparameters(ignore=["encoder"])
        self.encoder, self.head = encoder, nn.Linear(encoder.width, n_classes)

    def loss(self, batch, name):
        features, labels = batch
        loss = nn.functional.cross_entropy(self.head(self.encoder.layers(features)) * self.hparams.scale, labels)
        self.log(f"{name}_loss", loss, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch, index):
        return self.loss(batch, "train")

    def validation_step(self, batch, index):
        self.loss(batch, "val")

    def test_step(self, batch, index):
        self.loss(batch, "test")


class Points(pl.LightningDataModule):
    n_classes = 3

    def __init__(self, batch_size: int = 16):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        features = torch.randn(240, 4, generator=torch.Generator().manual_seed(3))
        labels = (features[:, 0] > 0).long() + (features[:, 1] > 0).long()
        self.parts = torch.utils.data.TensorDataset(features, labels)

    def loader(self, begin, end):
        rows = [self.parts[index] for index in range(begin, end)]
        return DataLoader(rows, batch_size=self.batch_size)

    def train_dataloader(self):
        return self.loader(0, 160)

    def val_dataloader(self):
        return self.loader(160, 200)

    def test_dataloader(self):
        return self.loader(200, 240)
"""

MAIN = """
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.cli import LightningCLI

from parts import Net, Points


class ProjectCLI(LightningCLI):
    def add_arguments_to_parser(self, parser):
        parser.add_argument("--note", type=str, default="none")
        parser.link_arguments("data.n_classes", "model.n_classes", apply_on="instantiate")

    def after_instantiate_classes(self):
        assert self.trainer.max_epochs > 0


def main():
    ProjectCLI(Net, Points, trainer_defaults={"callbacks": [LearningRateMonitor()]})


if __name__ == "__main__":
    print("the project begins")
    main()
"""

CONFIG = """
fit:
  seed_everything: 5
  model:
    encoder:
      class_path: parts.Encoder
      init_args: {width: 8}
  data:
    batch_size: 16
  trainer:
    max_epochs: 3
    accelerator: cpu
    logger: {class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: logs}}
    enable_progress_bar: true
    callbacks:
      - {class_path: EarlyStopping, init_args: {monitor: val_loss, patience: 3}}
      - {class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {monitor: val_loss, save_top_k: 1}}
  optimizer: {class_path: torch.optim.SGD, init_args: {lr: 1e-1}}
  lr_scheduler: {class_path: torch.optim.lr_scheduler.StepLR, init_args: {step_size: 1, gamma: 0.5}}
"""

SPACE: dict[str, Any] = {
    "model.encoder.init_args.depth": {"int": [1, 2]},
    "optimizer.init_args.lr": {"float": [1e-2, 1.0], "log": True},
    "trainer.gradient_clip_val": {"choice": [0.5, 1.0]},
    "trainer.callbacks.0.init_args.patience": {"int": [3, 4]},
}


@pytest.fixture
def project(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A LightningCLI project with a script, a package of parts and a configuration."""
    (place / "parts.py").write_text(PARTS)
    (place / "main.py").write_text(MAIN)
    (place / "config.yaml").write_text(CONFIG)
    monkeypatch.syspath_prepend(str(place))
    yield place
    sys.modules.pop("parts", None)


def study(**keys: Any) -> dict[str, Any]:
    """A study of the project's configuration."""
    return {
        "name": "project",
        "metric": "val_loss",
        "direction": "minimize",
        "config": {"file": "config.yaml", "cli": "main.py"},
        "space": {"config": SPACE},
        **keys,
    }


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return [row for row in csv.DictReader(lines) if row.get("val_loss")]


def test_a_trial_equals_the_project_s_own_fit_of_the_exported_configuration(project: Path) -> None:
    result = lightsearch.search(study(trainer={"patience": 0}), n_trials=2, workers=1, storage=URL)
    exported = exported_config(result.study, None)
    content = yaml.safe_load(exported.text)
    assert content["model"]["encoder"]["init_args"]["depth"] == result.best.params["model.encoder.init_args.depth"]
    assert content["trainer"]["callbacks"][0]["init_args"]["patience"] in (3, 4)
    (project / "best.yaml").write_text(exported.text)
    words = [sys.executable, "main.py", "fit", "--config", "best.yaml", "--trainer.logger.init_args.version", "own"]
    ran = subprocess.run(words, cwd=project, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    (own,) = (project / "logs").rglob("own/metrics.csv")
    trial = project / "studies" / "project" / f"trial-{exported.trial:04}" / "epochs.csv"
    assert [row["val_loss"] for row in rows(trial)] == [row["val_loss"] for row in rows(own)]
    (logged,) = (project / "logs").rglob(f"trial-{exported.trial:04}/metrics.csv")
    assert "lr-SGD" in logged.read_text(), "the callback of the project's code did not run"


def test_evaluation_and_the_loaded_model_have_the_trained_weights(project: Path) -> None:
    result = lightsearch.search(study(), n_trials=1, workers=0, storage=URL)
    (tested,) = evaluate("project", url=URL, data_dir=None)
    assert tested.metrics is not None
    model = result.load_best_model()
    data = sys.modules["parts"].Points(batch_size=40)
    data.setup("test")
    (batch,) = data.test_dataloader()
    assert float(model.loss(batch, "test")) == pytest.approx(tested.metrics["test_loss"], rel=1e-6)
    assert type(model).__name__ == "Net"
    assert type(model.configure_optimizers()[0][0]).__name__ == "SGD"


def test_new_finds_the_metric_and_proposes_ranges_and_its_study_runs(project: Path) -> None:
    made = command("new", "--config", "config.yaml", "--cli", "main.main", "--name", "mine", cwd=project)
    assert made.returncode == 0, made.stderr
    text = (project / "studies" / "mine.toml").read_text()
    assert 'metric = "val_loss"' in text
    assert 'direction = "minimize"' in text
    assert "seed = 5" in text
    assert '"optimizer.init_args.lr" = { float = [1e-4, 1e-1], log = true, prior = ' in text
    assert '"model.encoder.init_args.depth" = { int = [1, 4]' in text
    assert "n_classes" not in text, "the target of a link cannot be sampled"
    ran = command("run", "--study", "mine", "--n-trials", 1, "--workers", 1, cwd=project)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "the project begins" not in ran.stdout
    done = command("export", "--study", "mine", "--trial", 0, cwd=project)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((project / "mine-trial-0.yaml").read_text())["data"]["batch_size"] in (16, 32, 64, 128, 256)


def test_a_trainer_s_values_that_the_project_s_parser_resolves_are_left_to_it(project: Path) -> None:
    later = CONFIG.replace("max_epochs: 3", "max_epochs: ${data.batch_size}").replace(
        "save_dir: logs", "save_dir: '${x}'"
    )
    (project / "config.yaml").write_text(later)
    with pytest.raises(UserError, match=r"write max_epochs in \[trainer\]"):
        embedded(study(), project)
    with pytest.raises(UserError, match=r"write it in \[logger\]"):
        embedded(study(trainer={"max_epochs": 1}), project)
    declared = embedded(study(trainer={"max_epochs": 1}, logger=None), project)
    assert declared["trainer"] == {"accelerator": "cpu", "max_epochs": 1}


def test_without_a_script_lightning_cli_builds_the_named_classes_of_either_package(project: Path) -> None:
    parts = PARTS.replace("import lightning.pytorch as pl", "import pytorch_lightning as pl")
    (project / "other_parts.py").write_text(parts.replace("n_classes: int,", "n_classes: int = 3,"))
    config = {
        "model": {"class_path": "other_parts.Net", "init_args": {"encoder": {"class_path": "other_parts.Encoder"}}},
        "data": {"class_path": "other_parts.Points"},
        "optimizer": {"class_path": "torch.optim.Adam"},
    }
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    space = {"model.init_args.encoder.init_args.width": {"int": [4, 8]}}
    declared = study(config={"file": "config.yaml"}, space={"config": space}, trainer={"max_epochs": 1})
    result = lightsearch.search(declared, n_trials=1, workers=0, storage=URL)
    assert result.best is not None
    assert type(result.load_best_model()).__module__ == "other_parts"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"config": {"file": "config.yaml"}}, "write cli = 'main.py'"),
        ({"config": {"file": "nothing.yaml", "cli": "main.py"}}, "cannot be read"),
        ({"config": {"file": "config.yaml", "cli": "other.py"}}, "no such script"),
        ({"config": {"file": "config.yaml", "cli": "parts"}}, "ends without a call of LightningCLI"),
        ({"model": {"class_path": "parts.Net"}}, "has no effect beside config"),
        ({"space": {"config": {"model.encoder.init_args.wide": {"int": [1, 2]}}}}, "LightningCLI says"),
        ({"space": {"config": {"trainer.callbacks.9.init_args.patience": {"int": [1, 2]}}}}, "is no position"),
        (
            {"space": {"model": {"scale": {"float": [0.5, 1.0]}}}},
            'write it in space.config, as in "model.init_args.NAME": ...',
        ),
    ],
)
def test_a_mistake_gets_one_line_and_nothing_is_stored(project: Path, keys: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as raised:
        lightsearch.search(study(**keys), n_trials=1, workers=0, storage=URL)
    (mistake,) = raised.value.mistakes
    assert line in str(mistake)
    assert "\n" not in str(mistake)
    assert not (project / "studies" / "studies.db").exists()


def test_a_study_without_a_configuration_has_none_to_export(place: Path) -> None:
    ran = command("run", "--study", "digits", "--n-trials", 1, "--set", "trainer.max_epochs=1", "--workers", 1)
    assert ran.returncode == 0, ran.stderr
    done = command("export", "--study", "digits")
    assert done.returncode == 2
    assert "was not made from a LightningCLI configuration" in done.stderr
