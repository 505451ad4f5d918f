"""The weights of the final model: a checkpoint that ``load_from_checkpoint`` loads without the study."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities.seed import isolate_rng

from lightsearch.confirm.model_differences import as_python_number, model_differences
from lightsearch.confirm.record import Weights, describe_error
from lightsearch.training import safe_loading
from lightsearch.training.checkpoint_io import write_through
from lightsearch.training.rebuild import Rebuilt

TRAINING_ONLY = ("optimizer_states", "lr_schedulers", "callbacks", "loops")
"""Parts of a checkpoint that only training needs."""
AS_ARGUMENTS = ("hparams_name", "hparams_type")
"""Parts of a checkpoint by which the hyperparameters are passed as one argument instead of one each."""


def write_weights(rebuilt: Rebuilt, example: Any, path: Path) -> Weights:
    """Writes a checkpoint without the state of the training, from which ``load_from_checkpoint`` makes the same model.

    The hyperparameters that the module has saved itself are kept if they are sufficient. Otherwise the constructor's
    arguments take their place. Each attempt is loaded again and compared with the model.

    Args:
        rebuilt: The model.
        example: An input of ``forward``, to compare its output; None if there is none.
        path: The file.
    """
    checkpoint = safe_loading.load(rebuilt.checkpoint)
    state = {key: value for key, value in checkpoint.items() if key not in TRAINING_ONLY}
    arguments = {name: as_python_number(value) for name, value in rebuilt.arguments.items()}
    plain = {name: value for name, value in arguments.items() if _is_plain(value)}
    needs = {name: value for name, value in rebuilt.arguments.items() if name not in plain}
    built = {**{key: value for key, value in state.items() if key not in AS_ARGUMENTS}, "hyper_parameters": plain}
    weights = Weights(source=_source(type(rebuilt.model)))
    for content, given in ((state, {}), (built, {}), (built, needs)):
        write_through(content, path)
        try:
            differs = model_differences(rebuilt.model, _load(rebuilt, path, given), example)
        except Exception as error:  # the model's class may raise anything
            weights = weights.model_copy(update={"needs": sorted(given), "error": describe_error(error)})
            continue
        weights = weights.model_copy(update={"needs": sorted(given), "error": None, "differs": differs})
        if not differs:
            break
    return weights


def _load(rebuilt: Rebuilt, path: Path, given: dict[str, Any]) -> Any:
    with isolate_rng(include_cuda=False):
        cls = type(rebuilt.model)
        return cls.load_from_checkpoint(path, map_location="cpu", weights_only=True, **given).eval()


def _is_plain(value: Any) -> bool:
    """Whether ``torch.load`` loads a value with ``weights_only``."""
    buffer = io.BytesIO()
    try:
        torch.save(value, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except (pickle.PickleError, RuntimeError, AttributeError, TypeError):
        return False
    return True


def _source(cls: type) -> str | None:
    """The file of a class, if it is below the folder in which the command was started."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    path = Path(file) if file is not None else None
    return str(path.relative_to(Path.cwd())) if path is not None and path.is_relative_to(Path.cwd()) else None
