"""The display of a search: live on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console

from lightsearch.declare.study_file import default_metric
from lightsearch.display.live import LiveDisplay
from lightsearch.display.plain import PlainDisplay
from lightsearch.outcome import Outcome


class Display(Protocol):
    """Shows the progress of a search."""

    def message(self, text: str) -> None:
        """Prints a message once."""

    def show_workers(self, text: str) -> None:
        """Shows how many workers run where, if they are not on this machine; an empty text removes it.

        It may be called often; a display shows no more than it can."""

    def finished(self, outcome: Outcome, trials: list[FrozenTrial]) -> None:
        """Shows the end of a trial; ``trials`` are all trials of the study."""

    def not_resumed(self, outcomes: Sequence[Outcome], trials: list[FrozenTrial]) -> None:
        """Shows the end of the trials that are paused when a scheduler expects nothing more."""

    def update(self, study: optuna.Study) -> None:
        """Shows the current state of the study. The first call starts the clock: the trials begin."""


@contextlib.contextmanager
def display_on(
    console: Console, declared: dict[str, Any], n_trials: int, epochs: int | None = None
) -> Iterator[Display]:
    """The display for a console: a live picture on a terminal or in a notebook, else plain lines.

    Args:
        console: The terminal, the notebook, the file or the pipe.
        declared: The content of the study file, not yet validated.
        n_trials: The study's total of finished trials.
        epochs: The study's total of epochs; None: no limit.
    """
    shown: dict[str, Any] = {
        "direction": declared.get("direction", "maximize"),
        "n_trials": n_trials,
        "epochs": epochs,
        "prunes": _prunes(declared),
        "max_epochs": _max_epochs(declared),
    }
    metric = declared.get("metric", default_metric(declared))
    metrics = metric if isinstance(metric, list) and metric else [metric]
    if not (console.is_terminal or console.is_jupyter):
        yield PlainDisplay(console, further=metrics[1:], **shown)
        return
    shown |= {"name": str(declared.get("name")), "metric": str(metrics[0])}
    with LiveDisplay(console, **shown) as live:
        yield live


def _prunes(declared: dict[str, Any]) -> bool:
    """Whether a pruner may end trials: it has what epochs report; of a function nobody knows whether it reports."""
    pruner = declared.get("pruner")
    name = pruner.get("name") if isinstance(pruner, dict) else pruner
    return declared.get("objective") is None and name != "NopPruner"


def _max_epochs(declared: dict[str, Any]) -> int | None:
    """Epochs of a whole training; None: they are sampled, wrong, or a function has steps of its own."""
    trainer = declared.get("trainer")
    epochs = trainer.get("max_epochs") if isinstance(trainer, dict) else None
    return epochs if type(epochs) is int and declared.get("objective") is None else None
