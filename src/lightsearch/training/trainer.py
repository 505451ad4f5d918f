"""The Lightning Trainer, as every fit and every test of lightsearch creates it."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lightsearch.compat.lightning_package import based_on
from lightsearch.training.checkpoint_io import SafeCheckpoints
from lightsearch.training.loggers import hyperparameters_once, no_logger
from lightsearch.training.rank import SINGLE_RANK, Rank
from lightsearch.training.stopped_by import NamesStop


@contextlib.contextmanager
def loading_weights_only() -> Iterator[None]:
    """Silences Lightning's warning that a checkpoint's callbacks are missing: only its weights are loaded."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*callbacks used to create the checkpoint.*")
        yield


def make_trainer(
    lightning: ModuleType,
    keywords: dict[str, Any],
    folder: Path,
    callbacks: list[Any],
    rank: Rank = SINGLE_RANK,
) -> Any:
    """Creates a Trainer that prints nothing, logs nothing, and writes only the checkpoints of ``callbacks``.

    Args:
        lightning: The package that the model derives from: ``pytorch_lightning`` or ``lightning.pytorch``.
        keywords: Keyword arguments of the Trainer; they override the defaults of this function.
        folder: Its root folder.
        callbacks: Its callbacks; if empty it writes no checkpoints.
        rank: Which of the trial's processes it is for.
    """
    defaults: dict[str, Any] = {
        "accelerator": "auto",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "default_root_dir": folder,
        "enable_checkpointing": bool(callbacks),
        "profiler": based_on(lightning.profilers.Profiler, _NoProfiler)(),
        "plugins": [based_on(lightning.plugins.io.TorchCheckpointIO, SafeCheckpoints)(folder)],
    }
    given = {**defaults, **keywords, "callbacks": [*callbacks, hyperparameters_once(lightning)]}
    given["logger"] = given["logger"] or no_logger(lightning, folder)
    trainer = rank.trainer(lightning, given)
    trainer.__class__ = based_on(lightning.Trainer, NamesStop)
    if trainer.strategy.root_device.type == "cpu":
        # Otherwise Lightning makes torch.cuda.is_available() load the driver's library, in every step of an optimizer.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return trainer


class _NoProfiler:
    """Mixin for Lightning's ``Profiler``, which is entered fifty times per step: a tenth of a small model's step."""

    _nothing = contextlib.nullcontext()

    def start(self, action_name: str) -> None:
        pass

    def stop(self, action_name: str) -> None:
        pass

    def profile(self, action_name: str) -> Any:  # noqa: ARG002
        return self._nothing
