import csv
import random
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader, Dataset

from lightsearch import Classifier
from lightsearch.confirm import fixed_epochs
from lightsearch.confirm.fixed_epochs import fit_without_validation
from lightsearch.data import ImageData
from lightsearch.outcome import Diverged
from lightsearch.training.checkpoint_files import resume_point
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import Fit, fit
from lightsearch.training.pruning import PruningCallback
from tests.points import Double, Net


class Dropped(Classifier):
    """A classifier that needs random numbers in training."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.model.insert(4, torch.nn.Dropout(0.3))


class StopAfter(Callback):
    """Ends the process's fit in mid-epoch, as a signal does."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.current_epoch == self.epoch:
            raise KeyError("stopped here")


def train(folder: Path, *callbacks: Any, model: LightningModule | None = None, **options: Any) -> tuple[Fit, EpochLog]:
    folder.mkdir(exist_ok=True)
    log = EpochLog(folder / "epochs.csv")
    data = options.pop("data", None) or ImageData("digits", batch_size=128, val_size=0.2)
    keywords = {"max_epochs": 4, "accelerator": "cpu", **options.pop("keywords", {})}
    fitted = fit(
        model or Dropped(**data.model_arguments, hidden_size=16),
        data,
        **{"patience": 0, "seed": 7, "metric": "val_acc", "mode": "max", **options},
        folder=folder,
        keywords=keywords,
        log=log,
        callbacks=callbacks,
    )
    return fitted, log


def curve(log: EpochLog) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in log.history]


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


def model(seed: int) -> LightningModule:
    torch.manual_seed(seed)
    return Dropped(in_features=64, num_classes=10, hidden_size=16)


def test_a_resumed_fit_equals_an_uninterrupted_one_to_the_bit(tmp_path: Path) -> None:
    _, whole = train(tmp_path / "whole", model=model(1))
    with pytest.raises(KeyError):
        train(tmp_path / "resumed", StopAfter(2), model=model(1))
    fitted, resumed = train(tmp_path / "resumed", model=model(2))  # its first weights do not matter
    assert curve(resumed) == curve(whole)
    assert fitted.stop_reason == "max_epochs"
    for name in ("last.ckpt", "best.ckpt"):
        before, after = weights(tmp_path / "whole" / name), weights(tmp_path / "resumed" / name)
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert resumed.seconds_before > 0


class Augmented(ImageData):
    """Data whose loaders draw from Python's and numpy's random numbers, in worker processes if there are any."""

    num_workers = 0

    def train_dataloader(self) -> Any:
        self.setup("fit")
        loader = super().train_dataloader()
        samples = [(x, y) for xs, ys in loader for x, y in zip(xs, ys, strict=True)]
        return DataLoader(Noisy(samples), batch_size=128, shuffle=True, num_workers=self.num_workers)


class Noisy(Dataset[Any]):
    def __init__(self, samples: list[Any]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        x, y = self.samples[index]
        return x * random.random() + float(np.random.rand()) * torch.rand(()), y


class Noise(Dropped):
    """A classifier that draws Python's and numpy's random numbers in training and in validation."""

    def training_step(self, batch: Any) -> Any:
        return super().training_step(batch) * (0.5 + random.random() * float(np.random.rand()))

    def validation_step(self, batch: Any) -> None:
        super().validation_step(batch)
        self.log("drawn", random.random() + float(np.random.rand()) + float(torch.rand(())))


@pytest.mark.parametrize("num_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_resumed_fit_draws_the_same_numbers_of_python_and_numpy(
    tmp_path: Path, num_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Augmented, "num_workers", num_workers)

    def run(folder: str, *callbacks: Any) -> list[dict[str, float]]:
        torch.manual_seed(1)
        built = Noise(in_features=64, num_classes=10, hidden_size=16)
        data = Augmented("digits", batch_size=128, val_size=0.2)
        return curve(train(tmp_path / folder, *callbacks, model=built, data=data)[1])

    whole = run("whole")
    with pytest.raises(KeyError):
        run("resumed", StopAfter(2))
    random.seed(), np.random.seed()
    assert run("resumed") == whole


def test_the_numbers_that_validation_draws_do_not_depend_on_what_was_drawn_before(tmp_path: Path) -> None:
    class Others(Callback):
        """Other members of a pack, which have had their turns."""

        def on_train_batch_end(self, *_: Any) -> None:
            drawn.append(random.random() + float(np.random.rand()) + float(torch.rand(())))

    drawn: list[float] = []

    def run(folder: str, *callbacks: Any) -> list[float]:
        torch.manual_seed(1)
        return [row["drawn"] for row in curve(train(tmp_path / folder, *callbacks, model=noisy())[1])]

    def noisy() -> LightningModule:
        return Noise(in_features=64, num_classes=10, hidden_size=16)

    assert run("alone") == run("in company", Others())


def test_a_module_of_either_copy_of_lightning_trains_the_same(tmp_path: Path) -> None:
    import lightning.pytorch

    class Other(lightning.pytorch.LightningModule):
        """The classifier, deriving from lightning.pytorch; its data derive from pytorch_lightning."""

    for name, value in vars(Classifier).items():
        if name not in ("__dict__", "__weakref__", "__doc__", "__init__"):
            setattr(Other, name, value)
    Other.__init__ = _init_other  # type: ignore[method-assign,assignment]
    torch.manual_seed(1)
    _, ours = train(tmp_path / "ours", model=Classifier(in_features=64, num_classes=10, hidden_size=16))
    torch.manual_seed(1)
    with pytest.raises(KeyError):
        train(tmp_path / "other", StopAfter(2), model=Other())
    fitted, other = train(tmp_path / "other", model=Other())
    assert curve(other) == curve(ours)
    assert fitted.stop_reason == "max_epochs"


def _init_other(self: Any) -> None:
    super(type(self), self).__init__()
    built = Classifier(in_features=64, num_classes=10, hidden_size=16)
    for name, module in built.named_children():
        self.add_module(name, module)
    self.learning_rate, self.lr_schedule = built.learning_rate, built.lr_schedule
    self.train_loss_sum, self.train_count = torch.zeros(()), 0


def test_the_best_checkpoint_is_that_of_the_best_epoch(tmp_path: Path) -> None:
    _, log = train(tmp_path, keywords={"max_epochs": 8}, model=model(3))
    best = log.best("val_acc", "max")
    assert best is not None
    assert best["val_acc"] == max(row["val_acc"] for row in log.history)
    checkpoint = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert checkpoint["epoch"] == best["epoch"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 7


def test_the_files_of_a_trial(tmp_path: Path) -> None:
    fitted, log = train(tmp_path, save_top_k=2)
    assert fitted.device == "cpu"
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names[0] == "best.ckpt"
    assert names[-2:] == ["epochs.csv", "last.ckpt"]
    assert len([name for name in names if name.startswith("epoch-")]) == 2
    with (tmp_path / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"epoch", "train_loss", "val_loss", "val_acc", "seconds"}
    assert [float(row["val_acc"]) for row in rows] == [row["val_acc"] for row in log.history]


def test_early_stopping_waits_for_its_patience(tmp_path: Path) -> None:
    fitted, log = train(tmp_path, patience=2, keywords={"max_epochs": 50}, min_delta=1.1)
    assert fitted.stop_reason == "early_stopping"
    assert len(log.history) == 3


def test_a_metric_can_be_minimised(tmp_path: Path) -> None:
    _, log = train(tmp_path, metric="val_loss", mode="min")
    best = log.best("val_loss", "min")
    assert best is not None
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == best["epoch"]
    assert best["val_loss"] == min(row["val_loss"] for row in log.history)


def test_a_loss_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    diverging = Classifier(in_features=64, num_classes=10, hidden_size=16, learning_rate=1e30)
    with pytest.raises(Diverged, match=r"loss is (nan|inf)"):
        train(tmp_path, model=diverging)


@pytest.mark.parametrize(
    "keywords",
    [
        {"precision": "bf16-mixed"},
        {"gradient_clip_val": 0.5},
        {"accumulate_grad_batches": 2},
        {"limit_train_batches": 2, "log_every_n_steps": 1},
        {"max_time": {"minutes": 5}},
    ],
)
def test_other_keywords_of_the_trainer(tmp_path: Path, keywords: dict[str, Any]) -> None:
    _, log = train(tmp_path, keywords=keywords)
    assert len(log.history) == 4
    assert log.history[-1]["train_loss"] < log.history[0]["train_loss"]


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(tmp_path)
    assert capfd.readouterr().out == ""


def test_going_on_in_float64_is_exact(tmp_path: Path) -> None:
    def weights(folder: Path, *callbacks: Any) -> dict[str, Any]:
        torch.manual_seed(0)
        model = Net("tanh")
        keywords = {"max_epochs": 4, "accelerator": "cpu", "precision": "64-true"}
        options: dict[str, Any] = {"metric": "val_acc", "mode": "max", "patience": 0, "log": EpochLog(None)}
        fit(model, Double(), folder=folder, seed=1, keywords=keywords, callbacks=callbacks, **options)
        return model.state_dict()

    once = weights(tmp_path / "once")
    weights(tmp_path / "twice", fixed_epochs.StopAfter(2))
    again = weights(tmp_path / "twice")
    assert all(torch.equal(value, again[name]) and value.dtype is torch.float64 for name, value in once.items())


class WithCallbacks(Dropped):
    """Brings a checkpoint and an early stopping of its own."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.own = ModelCheckpoint(monitor="val_loss", filename="{epoch}", save_top_k=2, save_last=True)

    def configure_callbacks(self) -> list[Callback]:
        return [self.own, EarlyStopping("val_loss", patience=100)]


def own(seed: int) -> WithCallbacks:
    torch.manual_seed(seed)
    return WithCallbacks(in_features=64, num_classes=10, hidden_size=16)


@pytest.mark.parametrize("top", [1, 2])
def test_a_module_keeps_its_callbacks_and_we_keep_ours(tmp_path: Path, top: int) -> None:
    _, whole = train(tmp_path / "whole", model=own(1), save_top_k=top)
    _, plain = train(tmp_path / "plain", model=model(1), save_top_k=top)
    assert curve(whole) == curve(plain)
    resumed = own(2)
    with pytest.raises(KeyError):
        train(tmp_path / "resumed", StopAfter(2), model=own(1), save_top_k=top)
    _, log = train(tmp_path / "resumed", model=resumed, save_top_k=top)
    assert curve(log) == curve(plain)
    for folder in ("whole", "resumed"):
        assert {file.name for file in (tmp_path / folder).iterdir()} == {
            *(file.name for file in (tmp_path / "plain").iterdir()),
            "checkpoints",
        }
        losses = {row["epoch"]: row["val_loss"] for row in log.history}
        theirs = {f"epoch={epoch}.ckpt" for epoch in sorted(losses, key=lambda epoch: losses[epoch])[:2]}
        assert {file.name for file in (tmp_path / folder / "checkpoints").iterdir()} == {*theirs, "last.ckpt"}
        for name in ("best.ckpt", "last.ckpt"):
            before, after = weights(tmp_path / "plain" / name), weights(tmp_path / folder / name)
            assert all(torch.equal(before[key], after[key]) for key in before)
    states = torch.load(tmp_path / "resumed" / "last.ckpt", weights_only=True)["callbacks"]
    (theirs_in_ours,) = [state for name, state in states.items() if name.startswith("ModelCheckpoint")]
    assert theirs_in_ours["best_k_models"] == resumed.own.best_k_models  # of the same epoch


def test_a_trial_that_starts_anew_leaves_no_checkpoint_of_its_modules_own(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        train(tmp_path, StopAfter(2), model=own(1))
    (tmp_path / "best.ckpt").write_bytes(b"damaged")
    assert resume_point(tmp_path) is None
    assert list(tmp_path.rglob("*.ckpt")) == []


def test_validation_every_second_epoch(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    keywords = {"max_epochs": 7, "check_val_every_n_epoch": 2}
    _, log = train(tmp_path / "whole", PruningCallback(study.ask(), "val_acc"), keywords=keywords, save_top_k=4)
    assert [row["epoch"] for row in log.history] == list(range(7))
    assert all(("val_acc" in row, "val_loss" in row) == (row["epoch"] % 2 == 1,) * 2 for row in log.history)
    assert all("train_loss" in row for row in log.history)
    values = {row["epoch"]: row["val_acc"] for row in log.history if "val_acc" in row}
    assert study.trials[0].intermediate_values == values
    names = {file.name for file in (tmp_path / "whole").glob("epoch-*")}
    assert names == {f"epoch-{epoch:03d}.ckpt" for epoch in (1, 3, 5)}
    best = log.best("val_acc", "max")
    assert best is not None
    assert torch.load(tmp_path / "whole" / "best.ckpt", weights_only=True)["epoch"] == best["epoch"]
    assert torch.load(tmp_path / "whole" / "last.ckpt", weights_only=True)["epoch"] == 6
    for epoch in (2, 3):  # without a validation, and with one
        folder = tmp_path / f"resumed-{epoch}"
        torch.manual_seed(1)
        with pytest.raises(KeyError):
            train(folder, StopAfter(epoch), model=model(1), keywords=keywords)
        _, resumed = train(folder, model=model(2), keywords=keywords)
        _, uninterrupted = train(tmp_path / f"whole-{epoch}", model=model(1), keywords=keywords)
        assert curve(resumed) == curve(uninterrupted)


def test_patience_and_pruning_count_validations(tmp_path: Path) -> None:
    keywords = {"max_epochs": 30, "check_val_every_n_epoch": 2}
    fitted, log = train(tmp_path / "stopped", patience=1, keywords=keywords, min_delta=1.0)
    assert (fitted.stop_reason, len(log.history)) == ("early_stopping", 4)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=2))
    callback = PruningCallback(study.ask(), "val_acc")
    _, log = train(tmp_path / "pruned", callback, keywords=keywords)
    assert (callback.pruned_epoch, len(log.history)) == (1, 2)


def test_validation_after_every_batch(tmp_path: Path) -> None:
    _, log = train(tmp_path, keywords={"max_epochs": 1, "val_check_interval": 1})
    assert [row["epoch"] for row in log.history] == list(range(9))  # 1 is a batch, 1.0 an epoch
    assert all("val_acc" in row for row in log.history)


def test_training_without_validation_keeps_its_last_checkpoint_too(tmp_path: Path) -> None:
    log = EpochLog(None)
    module = own(1)
    keywords = {"max_epochs": 9, "accelerator": "cpu"}
    data = ImageData("digits", batch_size=128, val_size=0.2)
    fit_without_validation(module, data, epochs=3, folder=tmp_path, seed=7, keywords=keywords, log=log)
    assert len(log.history) == 3  # its early stopping, which watches a validation, does not count
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 2
