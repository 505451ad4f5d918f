"""Flags of the Lightning Trainer that make a search impossible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightsearch.errors import Mistake

SECTION, SAMPLED = "trainer", "space.trainer"


def _is_zero(value: Any) -> bool:
    return type(value) in (int, float) and value == 0


REFUSED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "fast_dev_run": (bool, "ends every trial after one batch; leave it out: every search begins with a dry run"),
    "barebones": (bool, "turns checkpoints and logging off, and a search needs both; leave it out"),
    "enable_checkpointing": (
        lambda value: not value,
        "a search needs checkpoints, to continue trials and to test the best one; leave it out",
    ),
    "limit_train_batches": (_is_zero, "leaves nothing to train on; write a number above 0, or leave it out"),
    "limit_val_batches": (
        _is_zero,
        "leaves no validation, which logs the metric; write a number above 0, or leave it out",
    ),
    "limit_test_batches": (_is_zero, "leaves nothing to test on; write a number above 0, or leave it out"),
    "max_steps": (_is_zero, "leaves nothing to train; write a number above 0, or leave it out"),
    "check_val_every_n_epoch": (lambda value: type(value) is int and value < 1, "write at least 1"),
    "plugins": (bool, "would replace the plugin that writes checkpoints safely; leave it out"),
    "logger": (
        lambda value: not isinstance(value, bool),
        'name a logger in its own section: [logger], class_path = "pytorch_lightning.loggers.CSVLogger"',
    ),
}
"""For each flag: which values are refused, and the hint."""


def check_flags(given: dict[str, Any], sampled: dict[str, list[Any]], *, has_logger: bool) -> list[Mistake]:
    """Finds flags that make a search impossible, each by itself and in combination.

    Args:
        given: Keyword arguments of the Trainer.
        sampled: For each sampled argument, its outermost values.
        has_logger: Whether the study has a section [logger].
    """
    values = [(SECTION, name, value) for name, value in given.items()]
    values += [(SAMPLED, name, value) for name, examples in sampled.items() for value in examples]
    mistakes = [
        Mistake(f"{section}.{name}", value, REFUSED[name][1])
        for section, name, value in values
        if name in REFUSED and REFUSED[name][0](value)
    ]
    if has_logger and "logger" in given:
        mistakes.append(
            Mistake("trainer.logger", given["logger"], "there is a section [logger] too; keep one of the two")
        )
    return mistakes or _check_epochs(given, sampled)


def _check_epochs(given: dict[str, Any], sampled: dict[str, list[Any]]) -> list[Mistake]:
    """Compares the epochs of the shortest trial with flags that need a number of epochs."""
    epochs = min(_numbers("max_epochs", given, sampled), default=None)
    if epochs is not None and epochs < 1:  # the validation checks a fixed one
        return (
            [Mistake(f"{SAMPLED}.max_epochs", epochs, "sample whole numbers from 1")] if "max_epochs" in sampled else []
        )
    mistakes = []
    for name, why in (
        ("check_val_every_n_epoch", "no validation runs within {} epochs (max_epochs); write at most {}"),
        ("min_epochs", "is above max_epochs, {}: no trial could be stopped early; write at most {}"),
    ):
        most = max(_numbers(name, given, sampled), default=None)
        if epochs is not None and most is not None and most > epochs:
            section = SAMPLED if name in sampled else SECTION
            mistakes.append(Mistake(f"{section}.{name}", most, why.format(epochs, epochs)))
    return mistakes


def _numbers(name: str, given: dict[str, Any], sampled: dict[str, list[Any]]) -> list[int]:
    values = sampled.get(name) or [given.get(name)]
    return [value for value in values if type(value) is int]
