"""A fit that begins from the checkpoint of another trial: with its weights and its moments, but other hyperparameters.

Lightning restores the hyperparameters of optimizers and of learning-rate schedules with their states. So each
checkpoint holds what they were when the model was new. Compared with those of the new model, this tells what its
parameters change: that is set anew, and everything else goes on.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback

from lightsearch.paths import PARENT
from lightsearch.training.checkpoint_callbacks import is_of_one_trial

Hyperparameters = dict[str, list[Any]]
"""``optimizers``: for each optimizer, the groups without their parameters; ``classes``: the name of its class;
``schedules``: the state of each schedule."""


class NoParent(Exception):
    """There is no checkpoint that a trial could begin from, or its weights do not fit."""


@contextlib.contextmanager
def naming_parameters(parent: str | None, params: dict[str, Any]) -> Iterator[None]:
    """Entered while a fit may load another trial's weights: if they do not fit, the error names the parameters.

    Args:
        parent: Whose checkpoint it is, in words; None: the fit loads no other trial's weights.
        params: The parameters that may differ from the parent's.

    Raises:
        NoParent: if the weights do not fit the model.
    """
    try:
        yield
    except RuntimeError as error:
        if parent is None or "loading state_dict" not in str(error):
            raise
        changed = ", ".join(f"{name} = {value}" for name, value in params.items())
        way_out = "take what changes their shapes out of scheduler.mutate"
        raise NoParent(f"the weights of {parent} do not fit the model with {changed}; {way_out}") from error


class Inherit(Callback):
    """Notes the hyperparameters of a new model, and sets them where a fit begins from another trial's checkpoint.

    A fit that resumes from a checkpoint of its own trial has them already.

    Args:
        parent: Whose checkpoint the trial begins from, in words; None: the trial begins untrained.
    """

    def __init__(self, parent: str | None = None) -> None:
        self._parent = parent
        self._new: Hyperparameters = {}
        self._parents: Hyperparameters = {}

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        if _begins(trainer):  # the best epoch and the curve are those of the trial's own epochs
            own = {one.state_key for one in trainer.callbacks if is_of_one_trial(one)}
            states = checkpoint["callbacks"]
            checkpoint["callbacks"] = {
                key: state for key, state in states.items() if key not in own and not key.startswith("ModelCheckpoint")
            }

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if self._parent is not None and trainer.ckpt_path is None:
            raise NoParent(f"the checkpoint of {self._parent}, which this trial begins from, is gone")
        self._new = _hyperparameters(trainer)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if not _begins(trainer):
            return
        now, was, new = _hyperparameters(trainer), self._parents, self._new
        _set(trainer, {key: _continued(now[key], was.get(key), new[key]) for key in ("optimizers", "schedules")})
        for optimizer, name, parents in zip(
            trainer.optimizers, new["classes"], was.get("classes", new["classes"]), strict=True
        ):
            if name != parents:  # its moments mean something else
                optimizer.state.clear()

    def state_dict(self) -> dict[str, Any]:
        return dict(self._new)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._parents = state_dict


def _begins(trainer: Any) -> bool:
    """Whether a fit begins from another trial's checkpoint."""
    return trainer.ckpt_path is not None and Path(trainer.ckpt_path).name == PARENT


def _hyperparameters(trainer: Any) -> Hyperparameters:
    groups = [
        [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
        for optimizer in trainer.optimizers
    ]
    schedules = [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]
    classes = [type(optimizer).__qualname__ for optimizer in trainer.optimizers]
    return copy.deepcopy({"optimizers": groups, "schedules": schedules, "classes": classes})


def _set(trainer: Any, hyperparameters: Hyperparameters) -> None:
    for optimizer, groups in zip(trainer.optimizers, hyperparameters["optimizers"], strict=True):
        for group, values in zip(optimizer.param_groups, groups, strict=True):
            for name in group.keys() - values.keys() - {"params"}:  # of an optimizer of another class
                del group[name]
            group.update(values)
    for config, state in zip(trainer.lr_scheduler_configs, hyperparameters["schedules"], strict=True):
        config.scheduler.load_state_dict(state)


def _continued(now: Any, was: Any, new: Any) -> Any:
    """What a value becomes that training may have changed.

    Args:
        now: The value in the parent's checkpoint.
        was: The value when the parent's model was new; None: unknown.
        new: The value of the new model.

    Returns:
        The value of the checkpoint, if the new model has the parent's. Otherwise, the new model's; a number that a
        schedule has changed is changed in the same ratio.
    """
    if _equal(was, new):
        return now
    if isinstance(new, dict) and isinstance(was, dict) and isinstance(now, dict):
        return {key: _continued(now.get(key), was.get(key), value) for key, value in new.items()}
    if isinstance(new, list | tuple) and isinstance(was, list | tuple) and len(new) == len(was) == len(now):
        return type(new)(_continued(*one) for one in zip(now, was, new, strict=True))
    if all(_is_number(one) for one in (now, was, new)) and was and not _equal(now, was):
        return now * (new / was)
    return new


def _is_number(value: Any) -> bool:
    return isinstance(value, float | torch.Tensor) or (isinstance(value, int) and not isinstance(value, bool))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one.cpu(), other.cpu())
    return type(one) is type(other) and bool(one == other)
