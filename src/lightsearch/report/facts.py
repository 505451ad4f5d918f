"""What a report says of a study: gathered once, from the storage, for the plots, the page and the summaries."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from lightsearch.display.wording import duration
from lightsearch.outcome import Kind, Outcome
from lightsearch.report.columns import utc_times
from lightsearch.report.diagnostics.case import Finding, standard_error, table, validated_on
from lightsearch.report.diagnostics.diagnose import diagnose
from lightsearch.report.importance import Importance, importances
from lightsearch.report.tables import distributions_of, objectives, value_of
from lightsearch.study import pareto
from lightsearch.study.origin import Others, may_lead, others, outcome_of

GROUPS = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
KINDS = {
    Kind.DIVERGED: "a loss or the metric became NaN or infinite",
    Kind.OUT_OF_MEMORY: "the accelerator or the host had no memory left",
    Kind.TIMEOUT: "killed at the trial's time limit",
    Kind.CRASHED: "the process died, as often as it was started",
    Kind.INTERRUPTED: "stopped with the search",
    Kind.USER_ERROR: "the model, the data or the study file raised an exception",
}
LEADERS = 10
EXAMPLES = 5
"""Trials named for each kind of failure."""


@dataclass(frozen=True)
class Row:
    """One trial."""

    trial: FrozenTrial
    outcome: Outcome | None
    group: str
    """``complete``, ``pruned``, ``failed``, ``running`` or ``waiting``."""
    value: float | None
    started: datetime | None
    ended: datetime | None
    """UTC, both."""
    foreign: bool = False
    """Whether it is another program's in a study of lightsearch, and never leads."""

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def values(self) -> list[float]:
        """A complete trial's objectives."""
        return [float(value) for value in self.trial.values]

    @property
    def kind(self) -> str:
        return str(self.outcome.kind) if self.outcome and self.group == "failed" else self.group


@dataclass(frozen=True)
class Failure:
    """One kind of failure."""

    kind: str
    meaning: str
    count: int
    message: str
    """The commonest error."""
    trials: list[int]


@dataclass
class Facts:
    """A study as it stands."""

    name: str
    objectives: list[tuple[str, str]]
    """Each one's name and direction. Where there are several, ``metric``, ``direction`` and ``best`` are by the first.
    """
    made: datetime
    attrs: dict[str, Any]
    rows: list[Row]
    ranked: list[Row]
    """Complete trials that may lead, the best first; of equals the earlier."""
    front: list[Row]
    """The Pareto front of several objectives, in the same order; empty where there is one."""
    distributions: dict[str, list[BaseDistribution]]
    others: Others | None = None
    """The trials of other programs."""
    findings: list[Finding] = field(default_factory=list)
    importances: list[Importance] = field(default_factory=list)

    @property
    def metric(self) -> str:
        return self.objectives[0][0]

    @property
    def direction(self) -> str:
        return self.objectives[0][1]

    @property
    def multi_objective(self) -> bool:
        return len(self.objectives) > 1

    @property
    def best(self) -> Row | None:
        return self.ranked[0] if self.ranked else None

    @property
    def maximize(self) -> bool:
        return self.direction == "maximize"

    @property
    def n_val(self) -> int | None:
        return validated_on(self.attrs, self.best.outcome if self.best else None)

    @cached_property
    def error(self) -> float | None:
        """The binomial standard error of the best value, if it is an accuracy on a known number of samples."""
        return standard_error(self.metric, self.best.value, self.n_val) if self.best else None

    @cached_property
    def is_share(self) -> bool:
        """Whether the metric is best read in percent."""
        values = [row.value for row in self.rows if row.value is not None]
        return "acc" in self.metric.lower() and bool(values) and all(0 <= value <= 1 for value in values)

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(row.group for row in self.rows)

    @property
    def finished(self) -> int:
        """Finished trials among which the best is sought."""
        return sum(row.group in ("complete", "pruned") and not row.foreign for row in self.rows)

    @cached_property
    def scored(self) -> list[Row]:
        """Finished trials with a value, those of other programs left out."""
        finished = [row for row in self.rows if row.group in ("complete", "pruned") and not row.foreign]
        return [row for row in finished if row.value is not None]

    @cached_property
    def failures(self) -> list[Failure]:
        """By kind, the commonest first."""
        failed = [row for row in self.rows if row.group == "failed"]
        found = []
        for kind, count in Counter(row.kind for row in failed).most_common():
            rows = [row for row in failed if row.kind == kind]
            errors = Counter(
                f"{row.outcome.error.type}: {row.outcome.error.message}"
                for row in rows
                if row.outcome and row.outcome.error
            )
            message = errors.most_common(1)[0][0] if errors else ""
            meaning = KINDS.get(Kind(kind), "") if kind in list(Kind) else "ended without saying why"
            found.append(Failure(kind, meaning, count, message, [row.number for row in rows[:EXAMPLES]]))
        return found

    @property
    def epochs(self) -> tuple[int, int | None]:
        """Epochs trained by finished trials, and those that they would have trained without stopping early."""
        max_epochs = table(table(self.attrs.get("fingerprint")).get("trainer")).get("max_epochs")
        done = [row for row in self.rows if row.group in ("complete", "pruned")]
        trained = sum(row.outcome.epochs if row.outcome else len(row.trial.intermediate_values) for row in done)
        if max_epochs is None and not any("max_epochs" in row.trial.params for row in done):
            return trained, None
        return trained, sum(int(row.trial.params.get("max_epochs", max_epochs or 0)) for row in done)

    @property
    def runs(self) -> list[dict[str, Any]]:
        runs = self.attrs.get("runs", [])
        return [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []

    @property
    def wall_seconds(self) -> float:
        """Time searched: that of the runs recorded, else from the first start to the last end, pauses left out."""
        recorded = sum(float(run.get("seconds", 0)) for run in self.runs)
        return recorded if recorded and not self.counts["running"] else max(Clock(self).spent, recorded)

    @property
    def of_function(self) -> bool:
        """Whether the study is of a function, which has no test set."""
        return "objective" in table(self.attrs.get("fingerprint"))

    @property
    def test_evaluations(self) -> int:
        done = self.attrs.get("test_evaluations", [])
        return len(done) if isinstance(done, list) else 0

    def show(self, value: float | None) -> str:
        """A value of the metric for people, with as many figures as its error leaves meaning to."""
        if value is None:
            return "-"
        return f"{100 * value:.{self.decimals}f}%" if self.is_share else f"{value:.5g}"

    def show_all(self, row: Row) -> list[str]:
        """A complete trial's objectives for people."""
        return [self.show(row.value), *(show_amount(value) for value in row.values[1:])]

    @cached_property
    def decimals(self) -> int:
        return 1 if self.error is None or self.error > 0.002 else 2

    @property
    def headline(self) -> tuple[str, str]:
        """The result in a sentence, and what is to be known with it."""
        if self.best is None:
            return f"No trial of {self.name} is complete yet.", self._why_none()
        if self.multi_objective:
            return self._headline_of_front()
        many = f"{self.finished:,} finished trials" if self.finished > 1 else "1 finished trial"
        value = self.show(self.best.value)
        if self.error is not None:
            value += f" ± {100 * self.error:.{self.decimals}f}"
        sentence = f"The best of {many} reaches {self.metric} {value}."
        if self.error is not None:
            note = f"Trial {self.best.number}; ± is one binomial standard error on {self.n_val:,} validation samples."
        else:
            note = f"Trial {self.best.number}; its uncertainty is not known: {self._why_no_error()}."
        if len(self.ranked) > 1:
            note += " The best of many noisy measurements flatters itself; fresh data will show a little less."
        return sentence, note

    def _headline_of_front(self) -> tuple[str, str]:
        spans = []
        for place, (name, _) in enumerate(self.objectives):
            ordered = sorted(self.front, key=lambda row: row.values[place])
            low, high = (self.show_all(row)[place] for row in (ordered[0], ordered[-1]))
            spans.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
        many = f"{len(self.front):,} of {len(self.ranked):,} complete trials"
        sentence = f"The Pareto front has {many}: {', '.join(spans)}."
        if len(self.front) == 1:
            return sentence, f"Trial {self.front[0].number}; no other is better in any objective."
        note = "What is better than one of them in one objective is worse in another; the choice is yours."
        return (
            sentence,
            f"{note} The best of many noisy measurements flatters itself; fresh data will show a little less.",
        )

    def _why_none(self) -> str:
        counts = self.counts
        if not self.rows:
            return "The study has no trials."
        words = [f"{count} {group}" for group, count in counts.items()]
        if self.others is not None:
            return f"Of {len(self.rows)} trials: {', '.join(words)}. {self.others.text(self.metric)} {self.others.rule}"
        return f"Of {len(self.rows)} trials: {', '.join(words)}. Without a complete one there is no best."

    def _why_no_error(self) -> str:
        if self.of_function:
            return "what the function measures it on is its own affair"
        if not self.is_share:
            return "the metric is no accuracy, whose error would follow from the number of samples"
        return "the number of validation samples was not recorded"


class Clock:
    """Time since the search began, in seconds, with the pauses left out in which no trial ran."""

    def __init__(self, facts: Facts) -> None:
        spans = sorted(
            (row.started, row.ended or facts.made)
            for row in facts.rows
            if row.started and (row.ended or row.group == "running")
        )
        self.pauses: list[tuple[datetime, float]] = []
        """Where a pause ended, and how long all pauses up to there were, in seconds."""
        self.began = spans[0][0] if spans else facts.made
        until, left_out = self.began, 0.0
        for started, ended in spans:
            gap = (started - until).total_seconds()
            # A search that is started again takes seconds; less is a worker between two trials.
            if gap > max(5.0, 0.02 * (until - self.began).total_seconds()):
                left_out += gap
                self.pauses.append((started, left_out))
            until = max(until, ended)
        self.spent = (until - self.began).total_seconds() - left_out

    def __call__(self, time: datetime) -> float:
        left_out = 0.0
        for started, so_far in self.pauses:
            if time < started:
                break
            left_out = so_far
        return max(0.0, (time - self.began).total_seconds() - left_out)


def gather(study: optuna.Study) -> Facts:
    """Reads everything that the report shows, but the epochs."""
    attrs = study.user_attrs
    trials = study.get_trials(deepcopy=False)
    leading = may_lead(trials, attrs)
    own = {trial.number for trial in leading}
    rows = []
    for trial in trials:
        outcome = outcome_of(trial)
        started, ended = utc_times(trial)
        value, foreign = value_of(trial, outcome), trial.number not in own
        rows.append(Row(trial, outcome, GROUPS[trial.state], value, started, ended, foreign))
    aims = objectives(study)
    directions = [direction for _, direction in aims]
    by_number = {row.number: row for row in rows}
    ranked = [by_number[trial.number] for trial in pareto.ranked(leading, directions)]
    on_front = pareto.non_dominated(leading, directions) if len(aims) > 1 else []
    return Facts(
        name=study.study_name,
        objectives=aims,
        made=datetime.now(UTC),
        attrs=attrs,
        rows=rows,
        ranked=[row for row in ranked if row.value is not None],
        front=[by_number[trial.number] for trial in on_front],
        distributions=distributions_of(row.trial for row in rows),
        others=others(trials, attrs, directions),
        findings=diagnose(study),
        importances=importances(study),
    )


def provenance(facts: Facts) -> list[tuple[str, str]]:
    """Where the results come from, as (what, value)."""
    attrs, declared = facts.attrs, table(facts.attrs.get("fingerprint"))
    data, runs = table(attrs.get("data")), facts.runs
    versions = table(attrs.get("versions"))
    devices = sorted({row.outcome.device for row in facts.rows if row.outcome and row.outcome.device})
    class_paths = {part: table(declared.get(part)).get("class_path") for part in ("data", "model")}
    search = table(attrs.get("search"))
    lines: list[tuple[str, Any]] = [
        ("study id", attrs.get("uid")),
        ("model", class_paths["model"]),
        ("data", class_paths["data"]),
        ("objective", declared.get("objective")),
        *((f"data: {key}", value) for key, value in data.items() if isinstance(value, str | int | float)),
        ("seed of the study and the split", declared.get("seed")),
        ("sampler", table(search.get("sampler")).get("name")),
        ("pruner", "off: several objectives" if facts.multi_objective else table(search.get("pruner")).get("name")),
        ("device", ", ".join(str(one) for one in dict.fromkeys([attrs.get("device"), *devices]) if one)),
        *((key, value) for key, value in versions.items()),
        ("commit", attrs.get("commit")),
        (
            "runs",
            "; ".join(
                f"{datetime.fromtimestamp(run.get('started', 0), UTC):%Y-%m-%d %H:%M} UTC, "
                f"{duration(run.get('seconds', 0))}, {run.get('workers', '?')} workers, {run.get('ending', '?')}"
                for run in runs[-5:]
            )
            + (f" (the last 5 of {len(runs)})" if len(runs) > 5 else ""),
        ),
        ("evaluations on the test set", None if facts.of_function else facts.test_evaluations),
    ]
    return [(key, str(value)) for key, value in lines if value not in (None, "")]


def show_amount(value: float) -> str:
    """A further objective's value for people: five figures, a whole number as it is."""
    return f"{value:,.0f}" if value.is_integer() else f"{value:.5g}"


def show_param(value: Any) -> str:
    """A parameter's value for people: four figures."""
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)
