"""Resuming a fit: which checkpoint it resumes from, and what has to be done before Lightning loads it."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback

from lightsearch.compat.epoch_loop import begin_next_epoch
from lightsearch.paths import BEST, LAST, PARENT, PREVIOUS
from lightsearch.training import safe_loading


class BeginNextEpoch(Callback):
    """Lets a fit that resumes at the end of an epoch begin with the next one. It has to be the first callback."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        begin_next_epoch(trainer)


def resume_point(folder: Path) -> Path | None:
    """The checkpoint to resume from: ``last.ckpt``, or ``previous.ckpt`` if the last one is damaged.

    If ``best.ckpt`` is damaged the trial starts again from its first epoch, because its best epoch is lost. Damaged
    files are deleted; whole files are not. A trial that begins from another one's checkpoint starts again from there.

    Args:
        folder: The trial's folder.

    Raises:
        NotLoadable: if the checkpoint is whole but holds types that cannot be loaded safely.
    """
    for name in (LAST, PREVIOUS):
        file = folder / name
        if not file.exists():
            continue
        best = folder / BEST
        if is_whole(file) and (not best.exists() or is_whole(best)):
            safe_loading.check(file)
            return file
        broken = file if not is_whole(file) else best
        print(f"{broken} is damaged; resuming from an earlier checkpoint, or from the start", flush=True)
        broken.unlink()
        if broken == best:
            break
    parent = folder / PARENT
    for file in folder.rglob("*.ckpt"):  # including those that the module writes into subfolders
        if file != parent:
            file.unlink()
    return parent if parent.exists() else None


def is_whole(file: Path) -> bool:
    """Whether every part of a checkpoint has the checksum that was written with it.

    torch writes a zip archive with a CRC-32 for each tensor and for the rest; loading does not compare them. A
    checkpoint of safe types is loaded as well. Nothing in the file is executed.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                return False
        safe_loading.load(file)
    except safe_loading.NotLoadable:
        return True  # it was written like this
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: an offset before the start of the file; others: it cannot be read
            raise
        return False
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, KeyError):
        return False
    return True


def match_precision(model: Any, state_dict: dict[str, Any]) -> None:
    """Converts a newly built model to the precision of a checkpoint's weights.

    With ``precision="64-true"`` a Trainer converts the model only after it has loaded the weights, which would round
    them to float32.

    Args:
        model: A LightningModule.
        state_dict: The checkpoint's weights.
    """
    saved = {value.dtype for value in state_dict.values() if isinstance(value, torch.Tensor)}
    saved = {dtype for dtype in saved if dtype.is_floating_point}
    own = {weights.dtype for weights in model.parameters() if weights.dtype.is_floating_point}
    if len(saved) == 1 and own and not saved & own:
        model.to(saved.pop())
