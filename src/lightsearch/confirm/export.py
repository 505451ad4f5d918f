"""The model as files: a checkpoint that loads by itself, and a program that needs none of its Python code."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightsearch.compat import hyperparameters
from lightsearch.compat.lightning_package import overrides
from lightsearch.confirm.record import Program, Weights
from lightsearch.training import safe_loading
from lightsearch.training.checkpoint_files import write_through
from lightsearch.training.rebuild import Rebuilt

TRAINING_ONLY = ("optimizer_states", "lr_schedulers", "callbacks", "loops")
"""What a checkpoint holds of the training."""
AS_ARGUMENTS = ("hparams_name", "hparams_type")
"""What a checkpoint says of hyperparameters that are not the constructor's arguments, each under its name."""


def write_weights(rebuilt: Rebuilt, example: Any, path: Path) -> Weights:
    """Writes a checkpoint without the state of the training, so that ``load_from_checkpoint`` makes this very model.

    What the module itself has saved to be built from is kept if it serves. Else the constructor's arguments take its
    place. Either way the file is loaded again and compared.

    Args:
        rebuilt: The model.
        example: What ``forward`` takes, to compare the answers; None: they are not compared.
        path: The file.
    """
    whole = safe_loading.load(rebuilt.checkpoint)
    state = {key: value for key, value in whole.items() if key not in TRAINING_ONLY}
    plain = {name: _plain(value) for name, value in rebuilt.arguments.items() if _is_plain(_plain(value))}
    built = {**{key: value for key, value in state.items() if key not in AS_ARGUMENTS}, "hyper_parameters": plain}
    needs = {name: value for name, value in rebuilt.arguments.items() if name not in plain}
    weights = Weights(source=_source(type(rebuilt.model)))
    for content, given in ((state, {}), (built, {}), (built, needs)):
        write_through(content, path)
        try:
            differs = differences(rebuilt.model, _load(rebuilt, path, given), example)
        except Exception as error:  # whatever the class objects to
            weights = weights.model_copy(update={"needs": sorted(given), "error": _said(error)})
            continue
        weights = weights.model_copy(update={"needs": sorted(given), "error": None, "differs": differs})
        if not differs:
            break
    return weights


def export(model: Any, example: Any, path: Path) -> Program:
    """Writes the model as a program that needs none of its Python code, and checks that it says the same.

    Args:
        model: In evaluation mode.
        example: (B, ...) a batch of training samples, for the shapes and for the check; None: there is none.
        path: The archive.
    """
    if not overrides(model, "forward"):
        return Program(file=None, reason=f"{type(model).__name__} has no forward")
    if example is None:
        return Program(file=None, reason="no training batch begins with a tensor of samples")
    try:
        with torch.no_grad():
            # A batch of two: exporting with one would make the size a constant.
            batch = torch.export.Dim("batch")
            exported = torch.export.export(model, (example[:2],), dynamic_shapes=({0: batch},))
            torch.export.save(exported, path)
            program = torch.export.load(path).module()
            differences = []
            for size in {1, 3, len(example)}:
                expected = model(example[:size])
                torch.testing.assert_close(program(example[:size]), expected)
                differences.append(float((program(example[:size]) - expected).abs().max()))
    except Exception as error:  # whatever torch.export objects to in a model: the checkpoint is there without it
        path.unlink(missing_ok=True)
        return Program(file=None, reason=_said(error))
    return Program(file=path.name, largest_difference=max(differences))


def example_of(rebuilt: Rebuilt) -> Tensor | None:
    """(B, ...) samples of the first training batch, after the hooks of the data or of the model; None if it has none.

    Args:
        rebuilt: The model with its data, which has not been set up.
    """
    data, model = rebuilt.data, rebuilt.model
    try:
        data.prepare_data()
        data.setup("fit")
        batch = next(iter(data.train_dataloader()))
        for hook, more in (
            ("on_before_batch_transfer", (0,)),
            ("transfer_batch_to_device", (torch.device("cpu"), 0)),
            ("on_after_batch_transfer", (0,)),
        ):
            batch = getattr(data if overrides(data, hook) else model, hook)(batch, *more)
    except Exception:  # data that can only be loaded within a Trainer
        return None
    samples = batch[0] if isinstance(batch, list | tuple) and batch else batch
    return samples if isinstance(samples, Tensor) and samples.ndim else None


def differences(model: nn.Module, other: nn.Module, example: Any) -> list[str]:
    """What is not the same of two models: weights, the plain attributes of their layers, their answers.

    Args:
        model: In evaluation mode.
        other: In evaluation mode.
        example: What ``forward`` takes; None: the answers are not compared.
    """
    mine, others = model.state_dict(), other.state_dict()
    found = [name for name in {**mine, **others} if not _same(mine.get(name), others.get(name))]
    layers, other_layers = dict(model.named_modules()), dict(other.named_modules())
    for name in {**layers, **other_layers}:
        before, after = _attributes(layers.get(name)), _attributes(other_layers.get(name))
        prefix = f"{name}." if name else ""
        found += [f"{prefix}{key}" for key in {**before, **after} if not _same(before.get(key), after.get(key))]
    if not found and example is not None and not _same(_answer(model, example), _answer(other, example)):
        found.append("what forward answers")
    return found


def _load(rebuilt: Rebuilt, path: Path, given: dict[str, Any]) -> Any:
    with isolate_rng(include_cuda=False):
        cls = type(rebuilt.model)
        return cls.load_from_checkpoint(path, map_location="cpu", weights_only=True, **given).eval()


def _attributes(layer: nn.Module | None) -> dict[str, Any]:
    """A layer's own attributes, but what torch and Lightning keep there."""
    if layer is None:
        return {}
    kept = vars(LightningModule()).keys() | hyperparameters.ATTRIBUTES
    return {"the class": type(layer), **{name: value for name, value in vars(layer).items() if name not in kept}}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, as far as can be told; of objects of other kinds their class decides."""
    one, other = _plain(one), _plain(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        if one.dtype != other.dtype:
            return False
        number = one.is_floating_point()  # a NaN is equal to a NaN here
        return torch.equal(one, other) or (number and torch.equal(one.nan_to_num(), other.nan_to_num()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, bool | int | float | str | bytes | type):
        return bool(one == other) or one != one
    return getattr(one, "__code__", None) == getattr(other, "__code__", None)


def _answer(model: nn.Module, example: Any) -> Any:
    if not overrides(model, "forward"):
        return None
    try:
        with isolate_rng(include_cuda=False), torch.no_grad():
            torch.manual_seed(0)
            return model(example)
    except Exception as error:  # forward may take something else
        return type(error)


def _plain(value: Any) -> Any:
    """A number of numpy's as Python's; everything else as it is."""
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def _is_plain(value: Any) -> bool:
    """Whether a value is loaded with ``weights_only``."""
    buffer = io.BytesIO()
    try:
        torch.save(value, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except (pickle.PickleError, RuntimeError, AttributeError, TypeError):
        return False
    return True


def _source(cls: type) -> str | None:
    """The file of a class, if it lies in the folder that the command was started in."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    path = Path(file) if file is not None else None
    return str(path.relative_to(Path.cwd())) if path is not None and path.is_relative_to(Path.cwd()) else None


def _said(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300]}" if lines else type(error).__name__
