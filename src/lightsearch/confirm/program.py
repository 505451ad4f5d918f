"""The final model as a program that needs none of its Python code."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from lightsearch.compat.lightning_package import overrides
from lightsearch.confirm.record import Program, describe_error


def export_program(model: Any, example: Any, path: Path) -> Program:
    """Writes the model with ``torch.export``, loads it again and compares the outputs.

    Args:
        model: In evaluation mode.
        example: (B, ...) a batch of training samples, for the shapes and for the comparison; None if there is none.
        path: The archive.
    """
    if not overrides(model, "forward"):
        return Program(file=None, reason=f"{type(model).__name__} has no forward")
    if example is None:
        return Program(
            file=None, reason="outside a Trainer, no training batch is a tensor of samples or begins with one"
        )
    try:
        with torch.no_grad(), _unlogged():
            # A batch of two: an export with a batch of one makes the size a constant.
            batch = torch.export.Dim("batch")
            exported = torch.export.export(model, (example[:2],), dynamic_shapes=({0: batch},))
            torch.export.save(exported, path)
            program = torch.export.load(path).module()
            differences = []
            for size in {1, 3, len(example)}:
                expected = model(example[:size])
                torch.testing.assert_close(program(example[:size]), expected)
                differences.append(float((program(example[:size]) - expected).abs().max()))
    except Exception as error:  # torch.export may refuse a model for any reason; the checkpoint exists without it
        path.unlink(missing_ok=True)
        return Program(file=None, reason=describe_error(error))
    return Program(file=path.name, largest_difference=max(differences))


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keeps torch from logging why it cannot export a model; the reason is in the model card."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
