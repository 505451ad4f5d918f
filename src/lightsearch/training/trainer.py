"""The Lightning Trainer, as every fit of lightsearch makes it."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lightsearch.compat.lightning_package import based_on
from lightsearch.training.checkpoint_files import SafeCheckpoints
from lightsearch.training.loggers import hyperparameters_once, no_logger
from lightsearch.training.rank import ALONE, Rank


@contextlib.contextmanager
def weights_alone() -> Iterator[None]:
    """Where a checkpoint is loaded for its weights: Lightning need not warn that its callbacks are not there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*callbacks used to create the checkpoint.*")
        yield


def quiet() -> None:
    """Silences what Lightning prints about itself; errors are still raised."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*sync_dist=True.*",
        ".*exists and is not empty.*",
        ".*The dirpath has changed.*",  # a module's own ModelCheckpoint, where its checkpoint is tested or loaded
        ".*LeafSpec.*",
        ".*`srun` command is available.*",
    ):
        warnings.filterwarnings("ignore", message)


def make_trainer(
    lightning: ModuleType,
    keywords: dict[str, Any],
    folder: Path,
    callbacks: list[Any],
    rank: Rank = ALONE,
) -> Any:
    """A Trainer that prints nothing, logs nowhere and checkpoints only what ``callbacks`` say.

    Args:
        lightning: The copy of Lightning that the model is of.
        keywords: Keyword arguments of the Trainer; they come before the defaults made here.
        folder: Its root folder.
        callbacks: Its callbacks; without any it writes no checkpoints.
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
    if trainer.strategy.root_device.type == "cpu":
        # Lightning has torch.cuda.is_available() ask the driver's library, which an optimizer then loads in every step.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    return trainer


class _NoProfiler:
    """On top of Lightning's, which is entered fifty times a step, which costs a tenth of a small model's step."""

    _nothing = contextlib.nullcontext()

    def start(self, action_name: str) -> None:
        pass

    def stop(self, action_name: str) -> None:
        pass

    def profile(self, action_name: str) -> Any:  # noqa: ARG002
        return self._nothing
