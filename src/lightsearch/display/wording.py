"""Trials, parameters and durations in words, as every command shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from lightsearch.outcome import NOT_RESUMED, NOT_WORTH, Outcome
from lightsearch.study.leaders import pareto_front
from lightsearch.study.origin import FINISHED
from lightsearch.study.pareto import as_list
from lightsearch.study.status import Status, status_of


def describe_outcome(outcome: Outcome, further: Sequence[str] = ()) -> str:
    """An ended trial in one line.

    Args:
        outcome: How the trial ended.
        further: The names of the objectives after the first.
    """
    line = f"trial {outcome.number} {how_ended(outcome)}"
    if outcome.error is not None:
        line += f": {outcome.error.type}: {outcome.error.message}"
    elif outcome.value is not None:
        epochs = f"{outcome.epochs} steps, " if outcome.epochs else ""
        if outcome.best_epoch is not None:
            epochs = f"best epoch {outcome.best_epoch + 1}, {outcome.epochs} trained, "
        line += f" {outcome.value:.5g}{describe_runs(outcome)}"
        line += "".join(f", {name} {outcome.metrics[name]:.5g}" for name in further if name in outcome.metrics)
        line += f" ({epochs}{outcome.seconds:.1f} s)"
    return f"{line} {describe_params(outcome.params)}".rstrip()


def how_ended(outcome: Outcome) -> str:
    """How a trial ended, in a word or two: ``complete``, ``pruned``, ``not resumed``, ``diverged``, ..."""
    return str(outcome.kind if outcome.stop_reason != NOT_RESUMED else Status.NOT_RESUMED)


def describe_runs(outcome: Outcome) -> str:
    """Of how many runs the value is the mean, for a trial of a study with ``[validation]``; else empty.

    It follows the value: ``0.98 ± 0.0042 in 3 runs``.
    """
    if not outcome.run_values:
        return ""
    spread = "" if outcome.std is None else f" ± {outcome.std:.2g}"
    why = f", {outcome.stop_reason}" if outcome.stop_reason.startswith(NOT_WORTH) else ""
    return f"{spread} in {counted(len(outcome.run_values), 'run')}{why}"


def describe_params(params: dict[str, Any]) -> str:
    """Parameters in one line: ``hidden_size=128 learning_rate=0.00123``."""
    return " ".join(f"{name}={describe_param(value)}" for name, value in params.items())


def describe_param(value: Any) -> str:
    """A parameter's value; a float with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe_pareto_front(trials: list[FrozenTrial], direction: str | Sequence[str]) -> str:
    """The size of the Pareto front, as the end of a line; empty for a single objective."""
    directions = as_list(direction)
    return f", front of {len(pareto_front(trials, directions))}" if len(directions) > 1 else ""


def describe_not_resumed(numbers: Sequence[int]) -> str:
    """The trials that a scheduler ends, in one line: ``2 paused trials were not resumed: 3, 5``."""
    were = "was" if len(numbers) == 1 else "were"
    return f"{counted(len(numbers), 'paused trial')} {were} not resumed: {', '.join(map(str, numbers))}"


def counted(number: int, noun: str) -> str:
    """A number of things: ``1 trial``, ``2 trials``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def describe_time(elapsed: float, to_go: float | None) -> str:
    """``42 s so far, about 3 min 20 s to go``; nothing is said of less than half a second, or of what is not known."""
    so_far = f"{duration(elapsed)} so far"
    return f"{so_far}, about {duration(to_go)} to go" if to_go is not None and round(to_go) > 0 else so_far


def n_begun(trials: list[FrozenTrial]) -> int:
    """The number of trials that have begun and have not failed."""
    return sum(status_of(trial) not in (Status.ENQUEUED, Status.FAILED) for trial in trials)


def n_finished(trials: list[FrozenTrial]) -> int:
    """The number of trials that count towards the study's total."""
    return sum(trial.state in FINISHED for trial in trials)
