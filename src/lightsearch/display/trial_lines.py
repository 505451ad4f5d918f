"""The lines of ended trials, in columns that line up from line to line."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial

from lightsearch.display.wording import describe_param, describe_runs, how_ended
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.totals import UNLIMITED

NUMBER_WIDTH = 9
"""Characters of a float with four digits, ``0.0001234``. Values of metrics are rarely as long."""

VALUE_WIDTH, SECONDS_WIDTH = 7, 8

GAP = "  "


class TrialLines:
    """Makes the lines. A column is as wide as what may come, and grows where something longer came.

    Args:
        n_trials: The study's total of finished trials.
        max_epochs: Epochs of a trial's whole training; None: it is not known.
        further: The names of the objectives after the first.
    """

    def __init__(self, n_trials: int, max_epochs: int | None, further: Sequence[str]) -> None:
        self._n_trials = n_trials
        self._max_epochs = max_epochs
        self._further = further
        self._params: dict[str, BaseDistribution] = {}
        """The parameters of all trials, in the order in which they first came."""

    @functools.cached_property
    def _widths(self) -> dict[str, int]:
        """The width of each column. Not before the first line: until then, options may be of a wrong type."""
        number = len(str(self._n_trials - 1)) if self._n_trials < UNLIMITED else 1
        epochs = len(str(self._max_epochs or 10))
        return {
            "number": number,
            "how": len(Kind.COMPLETE),
            "value": VALUE_WIDTH,
            "best epoch": epochs,
            "epochs": epochs,
            "seconds": SECONDS_WIDTH,
            "best": len("best  (trial )") + VALUE_WIDTH + number,
        }

    def line(self, outcome: Outcome, trials: Sequence[FrozenTrial]) -> str:
        """The line of a trial that has ended; of a failed one, with its error instead of what it reached.

        Args:
            outcome: How it ended.
            trials: All trials of the study.
        """
        for trial in trials:
            self._params |= {name: one for name, one in trial.distributions.items() if name not in self._params}
        title = f"trial {self._right('number', outcome.number)}"
        if (error := outcome.error) is not None:
            return f"{title} {how_ended(outcome)}: {error.type}: {error.message}{GAP}{self._describe(outcome)}".rstrip()
        cells = [
            f"{title} {self._left('how', how_ended(outcome))}",
            self._right("value", "" if outcome.value is None else f"{outcome.value:.5g}"),
            *(self._metric(name, outcome) for name in self._further),
            *([self._left("runs", describe_runs(outcome).strip())] if outcome.run_values else []),
            self._epochs(outcome),
            self._right("seconds", f"{outcome.seconds:.1f} s"),
            self._describe(outcome),
        ]
        return GAP.join(cell for cell in cells if cell).rstrip()

    def best(self, text: str) -> str:
        """What is the best so far, as wide as it was in the lines before."""
        return self._left("best", text)

    def _metric(self, name: str, outcome: Outcome) -> str:
        value = f"{outcome.metrics[name]:.5g}" if name in outcome.metrics else ""
        return f"{name} {self._right(name, value.rjust(VALUE_WIDTH))}"

    def _epochs(self, outcome: Outcome) -> str:
        """The best epoch and the last, counted from 1, of the first run with ``[validation]``; of a function its steps.

        A trial that began from the checkpoint of another one counts on from there.
        """
        if outcome.best_epoch is None:
            return f"{self._right('epochs', outcome.epochs)} steps" if outcome.epochs else ""
        last = outcome.first_epoch + outcome.curve_epochs
        return f"best epoch {self._right('best epoch', outcome.best_epoch + 1)} of {self._right('epochs', last)}"

    def _describe(self, outcome: Outcome) -> str:
        """The parameters; one that the trial does not have leaves its place empty."""
        cells = []
        for name, distribution in self._params.items():
            text = f"{name}={describe_param(outcome.params[name])}" if name in outcome.params else ""
            cells.append(text.rjust(len(name) + 1 + _width(distribution)))
        return GAP.join(cells)

    def _right(self, column: str, cell: object) -> str:
        return str(cell).rjust(self._grown(column, str(cell)))

    def _left(self, column: str, cell: str) -> str:
        return cell.ljust(self._grown(column, cell))

    def _grown(self, column: str, cell: str) -> int:
        self._widths[column] = max(self._widths.get(column, 0), len(cell))
        return self._widths[column]


def _width(distribution: BaseDistribution) -> int:
    """The characters that the longest value of a parameter takes."""
    if isinstance(distribution, CategoricalDistribution):
        return max(len(describe_param(choice)) for choice in distribution.choices)
    if isinstance(distribution, IntDistribution):
        return max(len(str(distribution.low)), len(str(distribution.high)))
    return NUMBER_WIDTH + (getattr(distribution, "low", 0.0) < 0)
