"""The facts of a study."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from lightsearch.report.accuracy import is_share, n_val_of, standard_error
from lightsearch.report.diagnostics.diagnose import diagnose
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.facts.clock import Clock
from lightsearch.report.facts.effort import Effort, effort_of
from lightsearch.report.facts.failure_groups import FailureGroup, group_failures
from lightsearch.report.facts.importance import Importance, importances
from lightsearch.report.facts.row import Row, row_of
from lightsearch.report.readers import as_dict, directions_of, distributions_of, first_epoch, objectives_of
from lightsearch.study import pareto
from lightsearch.study.origin import Others, may_lead, others

MAX_LEADERS = 10
"""The number of leading trials that the page and the summaries list."""


@dataclass(frozen=True)
class Facts:
    """A study at one moment."""

    name: str
    objectives: list[tuple[str, str]]
    """The name and the direction of each objective. ``metric``, ``direction`` and ``best`` refer to the first."""
    made: datetime
    """When the facts were gathered, in UTC."""
    attrs: dict[str, Any]
    """The study's user attributes."""
    rows: list[Row]
    """All trials, by number."""
    ranked: list[Row]
    """Complete trials that may lead, the best first; of equal ones the earlier first."""
    pareto_front: list[Row]
    """The Pareto front of several objectives, in the same order; empty for a single objective."""
    distributions: dict[str, list[BaseDistribution]]
    """The different distributions of each parameter."""
    others: Others | None
    """The trials of other programs."""
    failures: list[FailureGroup]
    clock: Clock
    effort: Effort
    findings: list[Finding]
    importances: list[Importance]
    confirmed: str | None = None
    """What fresh seeds said, if the study was retrained."""
    wrong_answers: str | None = None
    """The picture of the final model's surest wrong answers, as a data URL."""

    @property
    def metric(self) -> str:
        return self.objectives[0][0]

    @property
    def direction(self) -> str:
        return self.objectives[0][1]

    @property
    def maximize(self) -> bool:
        return self.direction == "maximize"

    @property
    def multi_objective(self) -> bool:
        return len(self.objectives) > 1

    @property
    def best(self) -> Row | None:
        return self.ranked[0] if self.ranked else None

    @property
    def leaders(self) -> list[Row]:
        """The trials worth a table: the Pareto front, or the ``MAX_LEADERS`` best."""
        return self.pareto_front or self.ranked[:MAX_LEADERS]

    @cached_property
    def counts(self) -> Counter[str]:
        """The number of trials in each group."""
        return Counter(row.group for row in self.rows)

    @property
    def n_finished(self) -> int:
        """Finished trials, without those of other programs."""
        return sum(row.finished and not row.foreign for row in self.rows)

    @cached_property
    def scored(self) -> list[Row]:
        """Finished trials with a value, without those of other programs."""
        return [row for row in self.rows if row.finished and not row.foreign and row.value is not None]

    @property
    def n_val(self) -> int | None:
        """The number of validation samples, if it is known."""
        return n_val_of(self.attrs, self.best.outcome if self.best else None)

    @cached_property
    def error(self) -> float | None:
        """The binomial standard error of the best value, if it is an accuracy on a known number of samples."""
        return standard_error(self.metric, self.best.value, self.n_val) if self.best else None

    @cached_property
    def is_share(self) -> bool:
        """Whether the metric is shown in percent."""
        return is_share(self.metric, (row.value for row in self.rows if row.value is not None))

    @cached_property
    def repeats(self) -> bool:
        """Whether values are means over several runs."""
        return any(row.std is not None for row in self.rows)

    @property
    def declared(self) -> dict[str, Any]:
        """The study file as the study stores it; empty for a study of another program."""
        return as_dict(self.attrs.get("fingerprint"))

    @property
    def of_function(self) -> bool:
        """Whether the study is of a function, which has no test set."""
        return "objective" in self.declared

    @property
    def first_epoch(self) -> int:
        """See ``readers.first_epoch``."""
        return first_epoch(self.declared)

    @property
    def n_test_evaluations(self) -> int:
        """The number of times the test set was used."""
        recorded = self.attrs.get("test_evaluations", [])
        return len(recorded) if isinstance(recorded, list) else 0

    @property
    def decimals(self) -> int:
        """The decimals of a percentage that its standard error leaves meaningful."""
        return 1 if self.error is None or self.error > 0.002 else 2

    def show(self, value: float | None) -> str:
        """A value of the metric for people."""
        if value is None:
            return "-"
        return f"{100 * value:.{self.decimals}f}%" if self.is_share else f"{value:.5g}"

    def show_all(self, row: Row) -> list[str]:
        """All objectives of a complete trial for people."""
        further = [f"{value:,.0f}" if value.is_integer() else f"{value:.5g}" for value in row.values[1:]]
        return [self.show(row.value), *further]


def gather(study: optuna.Study) -> Facts:
    """Gathers all facts of a study. The epochs are not among them; see ``epoch_table``.

    Args:
        study: Any Optuna study: finished, running, empty, or another program's.
    """
    now, attrs, trials = datetime.now(UTC), study.user_attrs, study.get_trials(deepcopy=False)
    directions = directions_of(study)
    candidates = may_lead(trials, attrs)
    may_lead_numbers = {trial.number for trial in candidates}
    rows = [row_of(trial, foreign=trial.number not in may_lead_numbers) for trial in trials]
    by_number = {row.number: row for row in rows}
    ranked = [by_number[trial.number] for trial in pareto.ranked(candidates, directions)]
    on_front = pareto.non_dominated(candidates, directions) if len(directions) > 1 else []
    clock = Clock(rows, now)
    return Facts(
        name=study.study_name,
        objectives=objectives_of(study),
        made=now,
        attrs=attrs,
        rows=rows,
        ranked=[row for row in ranked if row.value is not None],
        pareto_front=[by_number[trial.number] for trial in on_front],
        distributions=distributions_of(trials),
        others=others(trials, attrs, directions),
        failures=group_failures(rows),
        clock=clock,
        effort=effort_of(rows, attrs, clock),
        findings=diagnose(study),
        importances=importances(study),
    )
