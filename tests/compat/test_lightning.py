"""Contracts with both copies of Lightning: what ``compat`` reads of a running fit, and changes in it."""

from __future__ import annotations

import datetime
import signal
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning
import torch
from torchmetrics import MeanMetric

from lightsearch.compat import epoch_loop, hyperparameters, logged, logged_metric
from lightsearch.compat import trainer as trainer_parts
from lightsearch.compat.lightning_package import based_on
from lightsearch.compat.logged_metric import LoggedMetric
from tests.compat.contracts import BATCHES, COPIES, make_loader, make_module, make_trainer, relies_on

pytestmark = [
    pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.__name__),
    pytest.mark.filterwarnings("ignore"),
]
PACKAGE = {"pytorch_lightning": "pytorch-lightning", "lightning.pytorch": "lightning"}


class Looking:
    """On top of a Callback: calls a function at one hook."""

    def __init__(self, hook: str, look: Callable[[Any, Any], None]) -> None:
        super().__init__()
        setattr(self, hook, lambda trainer, pl_module, *_: look(trainer, pl_module))


def look_at(copy: ModuleType, hook: str, look: Callable[[Any, Any], None], train: Any = None, **keywords: Any) -> Any:
    """Fits, and calls ``look(trainer, module)`` at a hook; returns the Trainer."""
    callbacks = [based_on(copy.callbacks.Callback, Looking)(hook, look)]
    trainer = make_trainer(copy, callbacks=callbacks, num_sanity_val_steps=0, **keywords)
    module = make_module(copy)
    trainer.fit(module, make_loader() if train is None else train, make_loader(5))
    return trainer


def test_loaders(copy: ModuleType) -> None:
    found: list[Any] = []

    def look(trainer: Any, module: Any) -> None:
        found.append(
            (
                trainer_parts.training_loaders(trainer),
                trainer_parts.validation_loaders(trainer),
                trainer_parts.has_several_training_loaders(trainer),
            )
        )

    with relies_on(PACKAGE[copy.__name__], trainer_parts):
        trainer = look_at(copy, "on_validation_end", look, max_epochs=1)
        training, validation, several = found[0]
        assert training == [trainer.train_dataloader]
        assert validation == [trainer.val_dataloaders]
        assert not several


def test_metrics_that_are_logged_as_objects(copy: ModuleType) -> None:
    found: list[Any] = []
    module, kept, logged_one = make_module(copy), MeanMetric(), MeanMetric()
    module.kept, module.logged_one = kept, logged_one

    def training_step(batch: Any) -> Any:
        loss = type(module).training_step(module, batch)
        for metric in (kept, logged_one):
            metric.update(loss.detach())
        module.log("loss", logged_one)
        module.log("number", 1.0)
        return loss

    module.training_step = training_step
    callbacks = [
        based_on(copy.callbacks.Callback, Looking)(
            "on_train_epoch_end", lambda trainer, _: found.extend(trainer_parts.logged_metrics(trainer))
        )
    ]
    with relies_on(PACKAGE[copy.__name__], trainer_parts):
        make_trainer(copy, callbacks=callbacks, max_epochs=1).fit(module, make_loader(), make_loader())
        assert len(found) == 1
        assert found[0] is logged_one
        assert (kept.update_called, logged_one.update_called) == (True, False)  # Lightning has reset it


def test_several_training_loaders(copy: ModuleType) -> None:
    found: list[bool] = []
    module = make_module(copy)
    module.training_step = lambda batch: type(module).training_step(module, batch["a"])

    def look(trainer: Any, module: Any) -> None:
        found.append(trainer_parts.has_several_training_loaders(trainer))

    with relies_on(PACKAGE[copy.__name__], trainer_parts):
        callbacks = [based_on(copy.callbacks.Callback, Looking)("on_train_start", look)]
        trainer = make_trainer(copy, callbacks=callbacks, max_epochs=1)
        trainer.fit(module, {"a": make_loader(), "b": make_loader()}, make_loader())
        assert found == [True]


def test_iterators_are_made_again(copy: ModuleType) -> None:
    class Counted:
        made = 0

        def __iter__(self) -> Any:
            self.made += 1
            return iter(make_loader())

        def __len__(self) -> int:
            return BATCHES

    train = Counted()
    with relies_on(PACKAGE[copy.__name__], trainer_parts):
        look_at(copy, "on_train_start", lambda *_: None, train, max_epochs=1)
        usually, train.made = train.made, 0
        look_at(
            copy,
            "on_train_start",
            lambda trainer, _: trainer_parts.restart_training_iterators(trainer),
            train,
            max_epochs=1,
        )
        assert train.made == usually + 1


@pytest.mark.parametrize("disabled", [True, False])
def test_signal_handlers(copy: ModuleType, disabled: bool) -> None:
    before, found = signal.getsignal(signal.SIGTERM), list[Any]()
    with relies_on(PACKAGE[copy.__name__], trainer_parts):
        trainer = make_trainer(copy, max_epochs=1)
        trainer.callbacks.append(
            based_on(copy.callbacks.Callback, Looking)(
                "on_train_start", lambda *_: found.append(signal.getsignal(signal.SIGTERM))
            )
        )
        if disabled:
            trainer_parts.disable_signal_handlers(trainer)
        trainer.fit(make_module(copy), make_loader(), make_loader())
        assert (found == [before]) is disabled


def test_what_saves_within_an_epoch(copy: ModuleType) -> None:
    checkpoint = copy.callbacks.ModelCheckpoint
    with relies_on(PACKAGE[copy.__name__], trainer_parts):
        assert not trainer_parts.saves_within_epoch(checkpoint())
        assert not trainer_parts.saves_within_epoch(checkpoint(every_n_epochs=2))
        assert trainer_parts.saves_within_epoch(checkpoint(every_n_train_steps=3))
        assert trainer_parts.saves_within_epoch(checkpoint(train_time_interval=datetime.timedelta(minutes=1)))


def test_where_a_module_keeps_its_trainer(copy: ModuleType) -> None:
    with relies_on(PACKAGE[copy.__name__], trainer_parts):
        module = make_module(copy)
        other = SimpleNamespace(current_epoch=3, global_step=7)
        vars(module)[trainer_parts.TRAINER_ATTRIBUTE] = other
        assert (module.trainer, module.current_epoch, module.global_step) == (other, 3, 7)


def test_a_metric_is_logged_with_the_value_of_an_earlier_step(copy: ModuleType) -> None:
    module = make_module(copy)
    module.mean = MeanMetric()

    def log(trainer: Any, pl_module: Any) -> None:
        module.mean(1.0)
        earlier = LoggedMetric.of(module.mean)
        module.mean(3.0)
        module.log("mean", earlier.as_then(), on_step=True, on_epoch=True)

    with relies_on(PACKAGE[copy.__name__], logged_metric):
        callbacks = [based_on(copy.callbacks.Callback, Looking)("on_train_batch_end", log)]
        trainer = make_trainer(copy, callbacks=callbacks, max_epochs=1)
        trainer.fit(module, make_loader())
        values = [float(trainer.callback_metrics[name]) for name in ("mean_step", "mean_epoch")]
        assert values == [1.0, 2.0]


def test_which_hooks_logged(copy: ModuleType) -> None:
    found: list[Any] = []

    def look(trainer: Any, module: Any) -> None:
        found.append((logged.in_validation(trainer), logged.steps_of_validation(trainer)))

    with relies_on(PACKAGE[copy.__name__], logged):
        trainer = look_at(copy, "on_validation_end", look, max_epochs=1)
        assert found == [({"val_loss": {"validation_step"}}, {"val_step_only"})]
        assert logged.ever_in_validation(trainer) == {"val_loss": {"validation_step"}}
        whole = logged.ever_in_training(trainer, whole_epochs=True)
        assert whole["train_loss_epoch"] == {"training_step"}
        assert logged.ever_in_training(trainer).keys() >= whole.keys()


class Rows:
    """On top of a Logger: keeps what is written."""

    name = version = ""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Any] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.append((step, {name: round(float(value), 5) for name, value in metrics.items()}))

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        pass


def train_here(trainer: Any, module: Any) -> bool:
    """Takes the steps of an epoch as Lightning does, and counts them."""
    optimizer, calls = trainer.optimizers[0], {}
    for step, batch in enumerate(make_loader()):
        inputs, *_ = epoch_loop.training_batch(trainer, module, batch)
        loss = ((module.layer(inputs) - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loop.step_schedules(trainer)
        options = {"on_step": True, "on_epoch": True, "batch_size": len(inputs)}
        calls[step] = [("train_loss", float(loss.detach()), options)]
    epoch_loop.count_epoch(trainer, module, calls)
    return True


@pytest.mark.parametrize("trained_here", [lambda epoch: True, lambda epoch: epoch == 1], ids=["all", "second"])
def test_a_fit_whose_steps_are_replaced_ends_as_any_other(copy: ModuleType, trained_here: Any) -> None:
    def fit(replaced: bool) -> tuple[Any, Any]:
        def look(trainer: Any, module: Any) -> None:
            def train_epoch() -> bool:
                assert epoch_loop.steps_before(trainer) == BATCHES * trainer.current_epoch
                return bool(trained_here(trainer.current_epoch)) and train_here(trainer, module)

            if replaced:
                epoch_loop.replace_steps(trainer, train_epoch)

        trainer = look_at(
            copy,
            "on_train_start",
            look,
            logger=based_on(copy.loggers.Logger, Rows)(),
            max_epochs=3,
            log_every_n_steps=1,
        )
        return trainer, trainer.lightning_module

    with relies_on(PACKAGE[copy.__name__], epoch_loop):
        (usual, module), (replaced, same) = fit(False), fit(True)
        assert replaced.fit_loop.state_dict() == usual.fit_loop.state_dict()
        assert replaced.global_step == usual.global_step == 3 * BATCHES
        torch.testing.assert_close(dict(same.state_dict()), dict(module.state_dict()))
        torch.testing.assert_close(replaced.callback_metrics, usual.callback_metrics)
        assert replaced.logger.rows == usual.logger.rows
        assert replaced.optimizers[0].param_groups[0]["lr"] == usual.optimizers[0].param_groups[0]["lr"]


@pytest.mark.parametrize("silenced", [True, False])
def test_a_data_module_logs_no_hyperparameters(copy: ModuleType, silenced: bool) -> None:
    class Data(copy.LightningDataModule):  # type: ignore[name-defined, misc]
        def __init__(self, size: int) -> None:
            super().__init__()
            self.save_hyperparameters()

        def train_dataloader(self) -> Any:
            return make_loader()

        val_dataloader = train_dataloader

    module, data = make_module(copy), Data(1)
    module.save_hyperparameters({"size": 2})
    with relies_on(PACKAGE[copy.__name__], hyperparameters):
        if silenced:
            hyperparameters.log_no_hyperparameters(data)
        trainer = make_trainer(copy, max_epochs=1, logger=based_on(copy.loggers.Logger, Rows)())
        error = None
        try:
            trainer.fit(module, datamodule=data)
        except Exception as refused:
            error = str(refused)
        assert (error is None) is silenced, error


def test_attributes_of_hyperparameters(copy: ModuleType) -> None:
    with relies_on(PACKAGE[copy.__name__], hyperparameters):
        module, before = make_module(copy), vars(make_module(copy)).keys()
        module.save_hyperparameters({"size": 2})
        assert vars(module).keys() - before <= hyperparameters.ATTRIBUTES
        assert vars(module).keys() >= {"_hparams", "_hparams_initial"}


def test_versions_are_bounded(copy: ModuleType) -> None:
    assert copy.__version__ == pytorch_lightning.__version__
