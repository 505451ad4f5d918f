"""A study as its findings see it: its complete trials, its leaders, its space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from lightsearch.outcome import Kind, Outcome
from lightsearch.report.tables import distributions_of, value_of
from lightsearch.study import pareto
from lightsearch.study.origin import Others, may_lead, others, outcome_of

if TYPE_CHECKING:
    import optuna

MIN_TRIALS = 10
"""Complete trials without which the doctor says nothing about bounds and epochs."""

EDGE = 0.05
"""The outer part of a range, on the scale it is sampled on, that counts as its bound."""

LEADING = 0.1
"""The best tenth of the trials leads, and five trials at least."""

MIN_LEADERS = 5


@dataclass(frozen=True)
class Finding:
    """One thing that the next search, or the reading of this one, should take into account."""

    code: str
    """``others``, ``failures``, ``bound``, ``noise``, ``max-epochs``, ``pruner``, ``exhausted``, ``duplicates``,
    ``no-effect``."""
    text: str
    """The finding in a sentence, with the figure."""
    hint: str
    """What to write or to type; the exact words stand between backticks."""

    def __str__(self) -> str:
        return f"{self.text} {self.hint}"


def standard_error(metric: str | None, value: float | None, n_val: object) -> float | None:
    """The binomial standard error of an accuracy measured on ``n_val`` samples.

    Returns:
        None if the metric is not named as an accuracy, is outside [0, 1], or the number of samples is unknown.
    """
    if not metric or "acc" not in metric.lower() or value is None or not 0 <= value <= 1:
        return None
    if not isinstance(n_val, int) or n_val < 1:
        return None
    # All right, or all wrong, is not known without error: half a sample is taken to be otherwise.
    p = min(max(value, 0.5 / n_val), 1 - 0.5 / n_val)
    return math.sqrt(p * (1 - p) / n_val)


def validated_on(attrs: dict[str, Any], outcome: Outcome | None) -> int | None:
    """How many samples a trial was validated on: as the data says of itself, else as the trial saw it."""
    said = table(attrs.get("data")).get("n_val")
    if isinstance(said, int):
        return said
    return outcome.n_val if outcome is not None else None


def table(value: object) -> dict[str, Any]:
    """A table as it is stored with a study; empty if another program stored something else under its name."""
    return value if isinstance(value, dict) else {}


class Case:
    """A study as the examinations look at it."""

    def __init__(self, study: optuna.Study) -> None:
        self.name = study.study_name
        self.attrs = study.user_attrs
        self.directions = ["minimize" if one.name == "MINIMIZE" else "maximize" for one in study.directions]
        self.sign = -1.0 if self.directions[0] == "minimize" else 1.0
        everyone = study.get_trials(deepcopy=False)
        self.trials = may_lead(everyone, self.attrs)
        self.others: Others | None = others(everyone, self.attrs, self.directions)
        self.declared = table(self.attrs.get("fingerprint"))
        metric = self.attrs.get("metric")
        self.metric = metric if isinstance(metric, str) else None
        self.outcomes: dict[int, Outcome] = {
            trial.number: outcome for trial in self.trials if (outcome := outcome_of(trial))
        }

    @cached_property
    def complete(self) -> list[FrozenTrial]:
        """The complete trials with finite values, the best first; of equals the earlier."""
        return pareto.ranked(self.trials, self.directions)

    @cached_property
    def leaders(self) -> list[FrozenTrial]:
        return self.complete[: max(MIN_LEADERS, round(LEADING * len(self.complete)))]

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters that every trial samples from the same."""
        return {name: found[0] for name, found in distributions_of(self.trials).items() if len(found) == 1}

    def score(self, trial: FrozenTrial) -> float:
        """The trial's value, turned so that more is better; minus infinity if it has none."""
        value = value_of(trial, self.outcomes.get(trial.number))
        return -math.inf if value is None else self.sign * value

    def section(self, name: str) -> tuple[str, str]:
        """The section of the study file that has a parameter, with the argument's name in it."""
        for section, parameters in table(self.declared.get("space")).items():
            for argument in table(parameters):
                if name in (argument, f"{section}.{argument}"):
                    return section, argument
        return "", name

    @cached_property
    def max_epochs(self) -> int | None:
        """Epochs that a trial trains at most, by the study file; of a function what any trial has reported."""
        if self.of_function:
            return max((len(trial.intermediate_values) for trial in self.trials), default=0)
        declared = table(self.declared.get("trainer")).get("max_epochs")
        return declared if isinstance(declared, int) else None

    @property
    def of_function(self) -> bool:
        """Whether a function of a trial takes the place of model, data and space."""
        return "objective" in self.declared

    def space_line(self, name: str, declared: str) -> str:
        """The words that change a parameter's declaration. The old trials stay what they are: another study."""
        if self.of_function:
            return f"have the function suggest {name} from `{declared}`{self.renamed}"
        section, argument = self.section(name)
        place = f" in [space.{section}]" if section else ""
        return f"write `{argument} = {{ {declared} }}`{place}{self.renamed}"

    @property
    def renamed(self) -> str:
        return f" and run it under a new name, `--name {self.name}-2`"

    @property
    def confirmed(self) -> str:
        """The words that have the leaders trained again; of a function there is nothing to train."""
        return "" if self.of_function else f", or confirm the leaders: `python -m search.retrain --study {self.name}`"


def kind_of(case: Case, trial: FrozenTrial) -> Kind | None:
    outcome = case.outcomes.get(trial.number)
    return outcome.kind if outcome else None


def best_until(case: Case, trial: FrozenTrial, epoch: int) -> float:
    """The best reported value up to an epoch, which is what Optuna's pruners compare; more is better."""
    return max((case.sign * v for step, v in trial.intermediate_values.items() if step <= epoch), default=-math.inf)
