"""The search as it goes: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console

from lightsearch.declare.study_file import default_metric
from lightsearch.display.live import LiveDisplay
from lightsearch.display.plain import PlainDisplay
from lightsearch.outcome import Outcome


class Display(Protocol):
    """Where a search shows how it goes."""

    def message(self, text: str) -> None:
        """Says something once."""

    def place(self, text: str) -> None:
        """Where trials run, if that is not this machine; it may be said again and again."""

    def finished(self, outcome: Outcome, trials: list[FrozenTrial]) -> None:
        """A trial has ended; ``trials`` are all of the study."""

    def update(self, study: optuna.Study) -> None:
        """Shows the study as it stands; first of all before its trials begin."""


@contextlib.contextmanager
def display_on(console: Console, declared: dict[str, Any], n_trials: int) -> Iterator[Display]:
    """The display that suits a screen: a picture that stays in place on a terminal or in a notebook, else lines.

    Args:
        console: The screen, a file or a pipe.
        declared: The study file's content, not yet validated.
        n_trials: The study's total of finished trials.
    """
    shown: dict[str, Any] = {"direction": declared.get("direction", "maximize"), "n_trials": n_trials}
    metric = declared.get("metric", default_metric(declared))
    metrics = metric if isinstance(metric, list) and metric else [metric]
    if not (console.is_terminal or console.is_jupyter):
        yield PlainDisplay(console, further=metrics[1:], **shown)
        return
    with LiveDisplay(console, name=str(declared.get("name")), metric=str(metrics[0]), **shown) as live:
        yield live
