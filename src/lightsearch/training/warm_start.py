"""A fit that starts from the weights of another training: ``init_from`` in the study file."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback
from torch.nn.parameter import is_lazy

from lightsearch.declare.init_from import InitFrom
from lightsearch.errors import Mistake, UserError, first_line
from lightsearch.training import safe_loading

SHOWN = 3
"""Number of names of each kind in a message."""


class WarmStart(Callback):
    """Loads the weights once the module's own hooks have made all its layers. A fit that resumes has weights already.

    Args:
        given: The checkpoint.
    """

    def __init__(self, given: InitFrom) -> None:
        self.given = given
        self.left_out: str | None = None
        """What differs between the file and the model, and keeps its own weights; None: nothing."""

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.ckpt_path is None:
            self.left_out = load_weights(pl_module, self.given)


def load_weights(model: Any, given: InitFrom) -> str | None:
    """Loads the weights of a checkpoint into a model. Nothing in the file is executed.

    Args:
        model: A LightningModule with all its layers.
        given: The checkpoint.

    Returns:
        What differs and was left out, in one line; None if nothing was.

    Raises:
        UserError: if the file cannot be read safely or holds no weights, or, if ``strict``, names or shapes differ.
    """
    content = _read(given)
    if "state_dict" in content:
        model.on_load_checkpoint(content)
    weights = content.get("state_dict", content)
    own = model.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and _fits(value, own[name])}
    different = _differences(own, weights, fitting)
    if not any(isinstance(value, torch.Tensor) for value in fitting.values()):
        raise UserError(Mistake("init_from", given.path, f"has no weights of {type(model).__name__}: {different}"))
    if different is not None and given.strict and model.strict_loading:
        hint = f"its weights are not those of {type(model).__name__}: {different}"
        way_out = "init_from = { path = ..., strict = false } leaves them out"
        raise UserError(Mistake("init_from", given.path, f"{hint}; {way_out}"))
    model.load_state_dict(fitting, strict=False)
    return different


def _read(given: InitFrom) -> dict[str, Any]:
    way_out = "torch.save(model.state_dict(), FILE) writes one that can"
    try:
        content = safe_loading.load(Path(given.path))
    except safe_loading.NotLoadable as error:
        hint = f"{str(error).removesuffix(f'; {safe_loading.HINT}')}; {way_out}"
        raise UserError(Mistake("init_from", given.path, hint)) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        hint = f"cannot be read as a checkpoint: {first_line(error)}; {way_out}"
        raise UserError(Mistake("init_from", given.path, hint)) from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict", content), dict):
        raise UserError(Mistake("init_from", given.path, f"is neither a checkpoint nor a state_dict; {way_out}"))
    return content


def _fits(value: Any, own: Any) -> bool:
    if not isinstance(own, torch.Tensor) or not isinstance(value, torch.Tensor):
        return not isinstance(own, torch.Tensor) and not isinstance(value, torch.Tensor)  # a module's extra state
    return is_lazy(own) or value.shape == own.shape


def _differences(own: dict[str, Any], weights: dict[str, Any], fitting: dict[str, Any]) -> str | None:
    shapes = [
        f"{name} {tuple(getattr(weights[name], 'shape', ()))}, in the model {tuple(getattr(own[name], 'shape', ()))}"
        for name in weights
        if name in own and name not in fitting
    ]
    parts = [
        _some("without", (name for name in own if name not in weights)),
        _some("unknown", (name for name in weights if name not in own)),
        _some("of another shape", shapes),
    ]
    return "; ".join(part for part in parts if part) or None


def _some(kind: str, names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{kind} {', '.join(map(str, names[:SHOWN]))}{more}" if names else ""
