"""A study as the checks see it: its trials, its leaders, its space."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from lightsearch.outcome import Kind, Outcome
from lightsearch.report.readers import as_dict, directions_of, distributions_of, value_of
from lightsearch.study import pareto
from lightsearch.study.origin import Others, may_lead, others, outcome_of

if TYPE_CHECKING:
    import optuna

MIN_TRIALS = 10
"""Complete trials that conclusions about bounds, failures and epochs need."""
LEADING_SHARE = 0.1
"""The share of the complete trials that leads."""
MIN_LEADERS = 5
"""The number of leading trials, at least."""


class StudyView:
    """A study as the checks see it. Trials of other programs are only in ``others``."""

    def __init__(self, study: optuna.Study) -> None:
        self.name = study.study_name
        self.attrs = study.user_attrs
        self.directions = directions_of(study)
        self.sign = -1.0 if self.directions[0] == "minimize" else 1.0
        """Multiplies a value so that more is better."""
        trials = study.get_trials(deepcopy=False)
        self.trials = may_lead(trials, self.attrs)
        self.others: Others | None = others(trials, self.attrs, self.directions)
        self.declared = as_dict(self.attrs.get("fingerprint"))
        """The study file as the study stores it."""
        metric = self.attrs.get("metric")
        self.metric = metric if isinstance(metric, str) else None
        self.outcomes: dict[int, Outcome] = {
            trial.number: outcome for trial in self.trials if (outcome := outcome_of(trial))
        }

    @cached_property
    def complete(self) -> list[FrozenTrial]:
        """The complete trials with finite values, the best first; of equal ones the earlier first."""
        return pareto.ranked(self.trials, self.directions)

    @cached_property
    def leaders(self) -> list[FrozenTrial]:
        """The best tenth of the complete trials, and ``MIN_LEADERS`` at least."""
        return self.complete[: max(MIN_LEADERS, round(LEADING_SHARE * len(self.complete)))]

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters that all trials sample from the same distribution."""
        return {name: found[0] for name, found in distributions_of(self.trials).items() if len(found) == 1}

    def kind_of(self, trial: FrozenTrial) -> Kind | None:
        """How a trial ended; None if it has not."""
        outcome = self.outcomes.get(trial.number)
        return outcome.kind if outcome else None

    def score(self, trial: FrozenTrial) -> float:
        """A trial's value with a sign by which more is better; minus infinity if it has none."""
        value = value_of(trial, self.outcomes.get(trial.number))
        return -math.inf if value is None else self.sign * value

    @cached_property
    def max_epochs(self) -> int | None:
        """The most epochs of a trial, by the study file; for a function, the most epochs that a trial has reported."""
        if self.of_function:
            return max((len(trial.intermediate_values) for trial in self.trials), default=0)
        declared = as_dict(self.declared.get("trainer")).get("max_epochs")
        return declared if isinstance(declared, int) else None

    @property
    def of_function(self) -> bool:
        """Whether the study is of a function, which takes the place of model, data and space."""
        return "objective" in self.declared

    def section(self, name: str) -> tuple[str, str]:
        """The section of the study file that declares a parameter, and the argument's name in it."""
        for section, parameters in as_dict(self.declared.get("space")).items():
            for argument in as_dict(parameters):
                if name in (argument, f"{section}.{argument}"):
                    return section, argument
        return "", name

    def how_to_declare(self, name: str, declaration: str, *, wider: bool = False) -> str:
        """The words that tell a user to declare a parameter differently: in a new study, or, if wider, in this one."""
        if self.of_function:
            return f"have the function suggest {name} from `{declaration}`{self.in_new_study}"
        section, argument = self.section(name)
        where = f" in [space.{section}]" if section else ""
        return f"write `{argument} = {{ {declaration} }}`{where}{self.in_wider_space if wider else self.in_new_study}"

    @property
    def in_new_study(self) -> str:
        """The words that tell a user to start a new study: what shapes results cannot change in an old one."""
        return f" and run it under a new name, `--name {self.name}-2`"

    @property
    def in_wider_space(self) -> str:
        """The words that tell a user to continue in a wider space, which only the study file declares."""
        return self.in_new_study if self.of_function else " and continue this study with `--widen`"

    @property
    def or_confirm(self) -> str:
        """The words that offer to train the leaders again; empty for a function, which trains no model."""
        return "" if self.of_function else f", or confirm the leaders: `lightsearch retrain --study {self.name}`"
