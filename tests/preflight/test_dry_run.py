"""A dry run before a search: what is wrong with a module is said in one line, and nothing is stored."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import torch.nn.functional as F
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.preflight.dry_run import DryRun, configurations, dry_run

N, CLASSES = 96, 3


def samples(dtype: torch.dtype = torch.float32) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(N, 4, generator=generator, dtype=dtype)
    return TensorDataset(inputs, inputs[:, :CLASSES].argmax(dim=1))


class Points(LightningDataModule):
    """Six batches to train on, three to validate on."""

    def __init__(self, batch_size: int = 16, num_workers: int = 0) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.num_workers = num_workers

    def loader(self, part: Dataset[Any], **options: Any) -> DataLoader[Any]:
        return DataLoader(part, self.batch_size, num_workers=self.num_workers, **options)

    def train_dataloader(self) -> Any:
        return self.loader(samples(), shuffle=True)

    def val_dataloader(self) -> Any:
        return self.loader(torch.utils.data.Subset(samples(), range(N // 2)))


class InWorkers(Points):
    """Its batches come from a process of its own."""

    def __init__(self) -> None:
        super().__init__(num_workers=1)


class Net(LightningModule):
    """As somebody else would write it: no saved hyperparameters."""

    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__()
        self.lr = lr
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, CLASSES))

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.layers(inputs)
        return logits

    def training_step(self, batch: list[Tensor]) -> Any:
        logits = self(batch[0])
        self.log("train_acc", (logits.argmax(dim=1) == batch[1]).float().mean(), on_step=False, on_epoch=True)
        return F.cross_entropy(logits, batch[1])

    def validation_step(self, batch: list[Tensor]) -> Any:
        logits = self(batch[0])
        self.log("val_loss", F.cross_entropy(logits, batch[1]))
        self.log("val_acc", (logits.argmax(dim=1) == batch[1]).float().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), self.lr)


def study(model: type = Net, data: type = Points, **declared: Any) -> StudyFile:
    study_file, mistakes = validate(
        {
            "name": "dry",
            "data": {"class_path": f"tests.preflight.test_dry_run.{data.__name__}"},
            "model": {"class_path": f"tests.preflight.test_dry_run.{model.__name__}"},
            "space": {"model": {"lr": {"float": [1e-3, 1e-1], "log": True}}},
            **declared,
            "trainer": {"accelerator": "cpu", **declared.get("trainer", {})},
        }
    )
    assert study_file is not None, mistakes
    return study_file


def tried(model: type = Net, data: type = Points, **declared: Any) -> DryRun:
    return dry_run(None, study(model, data, **declared), None, None)


def refused(model: type = Net, data: type = Points, **declared: Any) -> str:
    """The only line of a refusal."""
    found = tried(model, data, **declared)
    assert not found.notes
    (line,) = found.mistakes
    assert "\n" not in line
    return line


# modules that pass


class Manual(Net):
    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__(width, lr)
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor]) -> None:
        loss = super().training_step(batch)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(layer.parameters(), self.lr) for layer in (self.layers[0], self.layers[3])]


class Scheduled(Net):
    """Its schedules divide by what a shortened fit would make 0."""

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        assert self.trainer.max_epochs is not None
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, total_steps=total - total // 3)
        assert 1 / (self.trainer.max_epochs // 10)
        assert 1 / (int(self.trainer.num_training_batches) // 2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Plateau(Net):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}


class Double(Net):
    def __init__(self, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__(width, lr)
        self.double()


class DoublePoints(Points):
    def train_dataloader(self) -> Any:
        return self.loader(samples(torch.float64))

    val_dataloader = train_dataloader


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        yield from samples()


class Stream(Points):
    def train_dataloader(self) -> Any:
        return self.loader(Endless())

    val_dataloader = train_dataloader


class Watching(Net):
    """Logs to whatever logger there is, and has callbacks of its own."""

    def on_train_start(self) -> None:
        assert self.logger is not None
        self.logger.experiment.add_text("a", "b")

    def configure_callbacks(self) -> Any:
        return [ModelCheckpoint(monitor="val_loss"), EarlyStopping("val_loss", patience=100)]


@pytest.mark.parametrize(
    ("model", "data", "declared"),
    [
        (Net, Points, {}),
        (Manual, Points, {}),
        (Scheduled, Points, {}),
        (Plateau, Points, {"metric": "val_loss", "direction": "minimize"}),
        (Double, DoublePoints, {}),
        (Net, Stream, {}),
        (Watching, Points, {"logger": {"class_path": "pytorch_lightning.loggers.TensorBoardLogger"}}),
        (Net, Points, {"trainer": {"check_val_every_n_epoch": 2, "min_epochs": 3, "accumulate_grad_batches": 4}}),
        (Net, Points, {"trainer": {"val_check_interval": 3, "max_steps": 3, "limit_val_batches": 0.5}}),
        (Net, Points, {"trainer": {"num_sanity_val_steps": 2, "overfit_batches": 2, "profiler": "simple"}}),
        (Net, Points, {"trainer": {"max_epochs": 2, "check_val_every_n_epoch": 2, "max_steps": 12}}),
        (Net, InWorkers, {}),
    ],
)
def test_what_a_trial_trains_passes(
    model: type, data: type, declared: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tried(model, data, **declared) == DryRun()
    assert list(tmp_path.iterdir()) == []


# modules that do not


class InTraining(Net):
    def training_step(self, batch: list[Tensor]) -> Any:
        self.log("acc", 0.5)
        return super().training_step(batch)

    def on_train_epoch_end(self) -> None:
        self.log("epoch_acc", 0.5)


class Both(Net):
    def training_step(self, batch: list[Tensor]) -> Any:
        self.log("val_acc", 0.5, on_epoch=True)
        return super().training_step(batch)


class Forked(Net):
    def validation_step(self, batch: list[Tensor]) -> Any:
        super().validation_step(batch)
        self.log("val_f1", 0.5, on_step=True, on_epoch=True)
        self.log("val_step", 0.5, on_step=True, on_epoch=False)


class TwoLoaders(Points):
    def val_dataloader(self) -> Any:
        return [super().val_dataloader(), super().val_dataloader()]


class TwoLoaded(Net):
    def validation_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> Any:
        super().validation_step(batch)


KNOWN = "validation logs val_acc, val_loss"
ONLY = f"is logged in training only ({{}}), and a search compares trials by a validation; {KNOWN}"
TWICE = "is logged in training as well (training_step), which takes its place at the end of an epoch"


@pytest.mark.parametrize(
    ("model", "metric", "hint"),
    [
        (Net, "val_accuracy", f'is not logged in validation; did you mean "val_acc"? ({KNOWN})'),
        (Net, "f1", f"is not logged; {KNOWN}"),
        (Net, "train_acc", ONLY.format("training_step")),
        (InTraining, "acc", ONLY.format("training_step")),
        (InTraining, "epoch_acc", ONLY.format("on_train_epoch_end")),
        (Both, "val_acc", f"{TWICE}; give one of them another name"),
        (
            Net,
            "val_acc_epoch",
            'a name that Lightning adds beside it only where it is logged with on_step=True; write "val_acc"',
        ),
        (Forked, "val_f1_step", 'a name that Lightning adds for each step; write "val_f1"'),
        (Forked, "val_step", "is logged in validation for each step alone; log it with on_epoch=True"),
    ],
)
def test_a_metric_that_no_validation_logs(model: type, metric: str, hint: str) -> None:
    assert refused(model, metric=metric) == f"metric = {metric!r}: {hint}"


def test_names_that_lightning_makes() -> None:
    assert tried(Forked, metric="val_f1_epoch") == DryRun()
    hint = 'is logged for each of several validation loaders; name one of them: "val_acc/dataloader_idx_0"'
    assert refused(TwoLoaded, TwoLoaders) == f"metric = 'val_acc': {hint}"
    assert tried(TwoLoaded, TwoLoaders, metric="val_acc/dataloader_idx_1") == DryRun()


def test_each_of_several_objectives() -> None:
    found = tried(metric=["val_acc", "parameters", "f1", "train_acc"], direction=["maximize", *["minimize"] * 3])
    assert [line.partition(": ")[0] for line in found.mistakes] == ["metric = 'f1'", "metric = 'train_acc'"]


class NoValidation(Net):
    validation_step = LightningModule.validation_step


class NoTraining(Net):
    training_step = LightningModule.training_step
    configure_optimizers = LightningModule.configure_optimizers


class NoValidationData(LightningDataModule):
    train_dataloader = Points.train_dataloader
    batch_size, num_workers = 16, 0
    loader = Points.loader


class EmptyValidation(Points):
    def val_dataloader(self) -> Any:
        return []


class DropsAll(Points):
    def train_dataloader(self) -> Any:
        return DataLoader(samples(), 1000, drop_last=True)


@pytest.mark.parametrize(
    ("model", "data", "lines"),
    [
        (
            NoValidation,
            Points,
            ["model.class_path = 'tests.preflight.test_dry_run.NoValidation': has no validation_step; add"],
        ),
        (NoTraining, Points, [f"has no {hook}; add it" for hook in ("training_step", "configure_optimizers")]),
        (
            Net,
            NoValidationData,
            ["data.class_path = 'tests.preflight.test_dry_run.NoValidationData': has no val_dataloader"],
        ),
        (Net, EmptyValidation, ["its val_dataloader yields no batch"]),
        (Net, DropsAll, ["its train_dataloader yields no batch"]),
    ],
)
def test_hooks_and_batches_that_are_not_there(model: type, data: type, lines: list[str]) -> None:
    found = tried(model, data).mistakes
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        assert expected in line


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


class Broken(Net):
    def training_step(self, batch: list[Tensor]) -> Any:
        return self(batch[0].flatten())


class BrokenData(Points):
    def setup(self, stage: str) -> None:
        raise FileNotFoundError("no such file: points.csv")


class BrokenItems(Dataset[Any]):
    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        raise KeyError(f"item {index}")


class BrokenLoader(Points):
    def val_dataloader(self) -> Any:
        return self.loader(BrokenItems())


class BrokenInWorkers(BrokenLoader):
    def __init__(self) -> None:
        super().__init__(num_workers=1)


class Exits(Net):
    def on_train_start(self) -> None:
        raise SystemExit(3)


class Misses(Net):
    def configure_callbacks(self) -> Any:
        return [EarlyStopping("val_los")]


IN_ITEM = r"BrokenItems.__getitem__ raises KeyError: 'item 0' \(test_dry_run.py, line \d+\)$"


@pytest.mark.parametrize(
    ("model", "data", "line"),
    [
        (Broken, Points, r"Net.forward raises RuntimeError: mat1 and .* \(test_dry_run.py, line \d+\)$"),
        (Net, BrokenData, r"BrokenData.setup raises FileNotFoundError: no such file: points.csv \(test_dry_run.py,"),
        (Net, BrokenLoader, IN_ITEM),
        (Net, BrokenInWorkers, IN_ITEM.replace("BrokenItems.", "")),
        (Exits, Points, r"Exits.on_train_start raises SystemExit: 3 \(test_dry_run.py, line \d+\)$"),
        (Misses, Points, r"it raises RuntimeError: Early stopping conditioned on metric `val_los`"),
    ],
)
def test_an_exception_is_a_line_that_says_where(
    model: type, data: type, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    section, cls = ("data", data) if model is Net else ("model", model)
    found = refused(model, data)
    assert re.match(f"{section}.class_path = 'tests.preflight.test_dry_run.{cls.__name__}': {line}", found), found
    assert "Traceback" in capsys.readouterr().err  # in one's own process


class Pickles(Net):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["points"] = Points()


def test_a_checkpoint_that_cannot_be_loaded_safely() -> None:
    line = refused(Pickles)
    assert line.startswith("model.class_path = 'tests.preflight.test_dry_run.Pickles': a checkpoint ")
    assert "tests.preflight.test_dry_run.Points" in line


# what one configuration alone fails of


class Narrow(Net):
    def __init__(self, width: int = 4, lr: float = 1e-2) -> None:
        if width < 5:
            raise ValueError("too narrow")
        super().__init__(width, lr)


class Hungry(Net):
    def training_step(self, batch: list[Tensor]) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")


class Diverges(Net):
    def validation_step(self, batch: list[Tensor]) -> Any:
        super().validation_step(batch)
        self.log("val_loss_extra", float("nan"))


class Whole(Net):
    """Fails on a part of the validation data."""

    def on_validation_epoch_start(self) -> None:
        self.seen = 0

    def validation_step(self, batch: list[Tensor]) -> Any:
        super().validation_step(batch)
        self.seen += len(batch[0])

    def on_validation_epoch_end(self) -> None:
        assert self.seen == N // 2, "not all of it"


@pytest.mark.parametrize(
    ("model", "said"),
    [(Narrow, "too narrow"), (Hungry, "out of memory"), (Diverges, "is nan"), (Whole, "not all of it")],
)
def test_what_need_not_hold_for_other_configurations_is_a_note(model: type, said: str) -> None:
    found = tried(model, space={"model": {"width": {"int": [4, 64]}}})
    assert not found.mistakes
    (note,) = found.notes
    assert said in note


# what it leaves


def test_the_configuration_is_the_defaults_then_what_is_enqueued_then_the_lowest() -> None:
    space = {
        "model": {"width": {"int": [16, 32]}, "lr": {"float": [1e-3, 1e-1]}},
        "data": {"batch_size": {"choice": [4, 8]}},
    }
    first, _ = configurations(study(space=space, enqueue=[{"width": 20}]))
    assert first == {"width": 20, "lr": 1e-2, "batch_size": 4}


class Changes(Net):
    def on_train_start(self) -> None:
        os.environ["CHANGED"] = "1"
        torch.set_num_threads(1)
        random.random()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def test_this_process_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = random.getstate(), torch.get_rng_state(), torch.get_num_threads(), dict(os.environ)
    handler = signal.getsignal(signal.SIGTERM)
    assert tried(Changes) == DryRun()
    after = random.getstate(), torch.get_rng_state(), torch.get_num_threads(), dict(os.environ)
    assert torch.equal(before[1], after[1])
    assert (before[0], *before[2:]) == (after[0], *after[2:])
    assert signal.getsignal(signal.SIGTERM) is handler
    assert list(tmp_path.iterdir()) == []


class Interrupts(Net):
    def on_train_start(self) -> None:
        raise KeyboardInterrupt


def test_a_ctrl_c_stays_one() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tried(Interrupts)
    assert signal.getsignal(signal.SIGINT) is handler


class Elsewhere(Net):
    def configure_callbacks(self) -> Any:
        return [ModelCheckpoint(dirpath="mine", every_n_train_steps=1), ModelCheckpoint()]


class InTheWay(Net):
    def configure_callbacks(self) -> Any:
        return ModelCheckpoint(self.trainer.default_root_dir, save_last=True)


def test_the_modules_own_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (note,) = tried(Elsewhere).notes
    assert note == f"note: the model's ModelCheckpoint writes to {tmp_path.resolve()}/mine, which all trials share"
    assert list(tmp_path.iterdir()) == []
    assert "writes into the trial's own folder; leave dirpath out" in refused(InTheWay)


class Hangs(Net):
    def on_train_start(self) -> None:
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(600)


class Dies(Net):
    def on_train_start(self) -> None:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "of-a-dry-run"])
        os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.slow
def test_a_child_leaves_nothing_whatever_becomes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = ForkServer(["tests.preflight.test_dry_run"])
    assert dry_run(server, study(Net, InWorkers), None, None) == DryRun()
    (line,) = dry_run(server, study(Broken), None, None).mistakes
    assert line.endswith("; --workers 0 shows the traceback")
    (late,) = dry_run(server, study(Hangs), None, 0.5).notes
    assert late == "note: a dry run was not done within 0.5 s (--trial-timeout)"
    (dead,) = dry_run(server, study(Dies), None, None).notes
    assert dead == "note: the process of a dry run died: exit code -11"
    assert multiprocessing.active_children() == []
    assert not [one for one in psutil.process_iter(["cmdline"]) if "of-a-dry-run" in (one.info["cmdline"] or [])]
    assert list(tmp_path.glob("lightsearch-*")) == []
