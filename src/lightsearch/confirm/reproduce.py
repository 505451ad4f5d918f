"""A trial run again: is its curve the same?"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from joblib import cpu_count
from optuna.trial import FrozenTrial
from pydantic import BaseModel, ConfigDict

from lightsearch.confirm import candidates
from lightsearch.confirm.context import load, open_study
from lightsearch.confirm.display import Display
from lightsearch.confirm.lock import sole_retraining
from lightsearch.confirm.runs import RUN, Run
from lightsearch.display.wording import describe_params
from lightsearch.errors import Mistake, UserError
from lightsearch.outcome import Kind, Outcome
from lightsearch.paths import study_folder, trial_folder
from lightsearch.study.origin import ended_how, outcome_of
from lightsearch.study.stored import differences

PACK_TOLERANCE = 0.02
"""What a metric may differ by of a trial that trained in a pack: the same sums there are taken in another order."""
Curve = dict[str, list[float]]
"""Each metric's value after every epoch."""


class Reproduction(BaseModel):
    """A trial and its repetition, compared."""

    model_config = ConfigDict(frozen=True)

    trial: int
    compared: list[str]
    """The metrics whose curves were compared."""
    epochs: tuple[int, int]
    """Epochs trained then, and now."""
    first_difference: int | None
    """The first epoch, from 0, in which a metric differs, by more than the tolerance."""
    tolerance: float = 0.0
    """0: to the bit. More than that if the trial trained in a pack."""
    largest: dict[str, float]
    """Each metric's largest difference, over the epochs that both have."""
    changed: list[str]
    """What is different around it: versions, device, threads."""
    unknown: list[str]
    """What was not recorded then, and so may be different."""

    @property
    def same(self) -> bool:
        """To the bit, or to the tolerance, in every epoch."""
        return self.first_difference is None and self.epochs[0] == self.epochs[1]

    def lines(self) -> list[str]:
        """What was found, for people."""
        metrics, (then, now) = ", ".join(self.compared), self.epochs
        if self.tolerance:
            apart = f"the largest difference is {max(self.largest.values(), default=math.inf):.3g}"
            word = "reproduced" if self.same else f"not reproduced ({then} epochs then, {now} now)"
            found = [f"trial {self.trial} trained in a pack; alone, on the same batches, it is {word}: {apart}"]
        elif self.same:
            found = [f"trial {self.trial} is reproduced to the bit: {metrics} in all {now} epochs"]
        else:
            found = [f"trial {self.trial} is not reproduced to the bit: {then} epochs then, {now} now"]
            if self.first_difference is not None:
                found.append(f"the first difference is in epoch {self.first_difference}; the largest are")
            found += [f"  {metric:<10} {difference:.3g}" for metric, difference in self.largest.items()]
        found += [f"changed since: {line}" for line in self.changed]
        return found + [f"not recorded then: {line}" for line in self.unknown]


def reproduce(name: str, number: int, *, url: str, display: Display, data_dir: str | None = None) -> Reproduction:
    """Runs a trial again, from its recorded seed and parameters, in a worker process of its own.

    A pruned trial is stopped after the epoch in which it was pruned; every other one ends by itself.

    Args:
        name: The study's name.
        number: The trial's number.
        url: The storage.
        display: Where progress is shown.
        data_dir: Folder of the data files.

    Raises:
        UserError: if there is no such study or trial, its data is not there or another, or it has no curve;
            if another process retrains the study.
        Stopped: by a signal.
    """
    study = open_study(name, url, None)
    trial = candidates.trial_of(study.get_trials(deepcopy=False), number, "--reproduce")
    outcome = outcome_of(trial)
    if outcome is None or outcome.seed is None or outcome.kind not in (Kind.COMPLETE, Kind.PRUNED, Kind.DIVERGED):
        raise UserError(
            Mistake("--reproduce", number, f"{ended_how(trial)}; name a complete, pruned or diverged trial")
        )
    before = _recorded(trial, trial_folder(study_folder(name), number), study.user_attrs["metric"])
    threads, unknown = _threads(trial, study.user_attrs)
    display.message(f"trial {number}: {describe_params(outcome.params)}, seed {outcome.seed}, CPU threads {threads}")
    with sole_retraining(study_folder(name)):
        opened = load(study, url, data_dir, display)
        run = Run(
            study_uid=str(opened.study.user_attrs.get("uid")),
            purpose="reproduce",
            trial=number,
            index=0,
            seed=outcome.seed,
            params=outcome.params,
            epochs=outcome.epochs if outcome.kind is Kind.PRUNED or outcome.epoch_seeds else None,
            epoch_seeds=outcome.epoch_seeds,
        )
        folder = run.folder(opened.folder)
        (folder / RUN).unlink(missing_ok=True)  # each time anew: that is the point
        again = opened.pool(1, 1, display, threads=threads).train([run])[0]
        if again.error is not None and again.kind is not outcome.kind:
            raise UserError(
                f"trial {number} ended as {outcome.kind}, and now as {again.kind}: {again.error.message} "
                f"(see {folder / 'log.txt'})"
            )
        facts = {"versions": opened.facts.versions, "device": opened.facts.device}
        stored = {key: opened.study.user_attrs.get(key) for key in facts}
        now, changed = read_curve(folder / "epochs.csv"), _changed(stored, facts, outcome, again)
        return compare(number, before, now, changed, unknown, PACK_TOLERANCE if outcome.epoch_seeds else 0.0)


def compare(
    number: int, before: Curve, now: Curve, changed: list[str], unknown: list[str], tolerance: float = 0.0
) -> Reproduction:
    """Compares two curves, epoch by epoch and metric by metric.

    Args:
        number: The trial's number.
        before: What was recorded.
        now: The repetition's.
        changed: What is different around it.
        unknown: What may be different.
        tolerance: What a metric may differ by.
    """
    compared = [metric for metric in before if metric in now]
    lengths = tuple(max((len(values) for values in curve.values()), default=0) for curve in (before, now))
    differing, largest = [], {}
    for metric in compared:
        pairs = list(zip(before[metric], now[metric], strict=False))
        apart = [abs(then - again) for then, again in pairs]
        largest[metric] = max(apart, default=math.inf)
        differing += [epoch for epoch, (then, again) in enumerate(pairs) if abs(then - again) > tolerance][:1]
    return Reproduction(
        trial=number,
        compared=compared,
        epochs=(lengths[0], lengths[1]),
        first_difference=min(differing, default=None),
        tolerance=tolerance,
        largest=largest,
        changed=changed,
        unknown=unknown,
    )


def read_curve(path: Path) -> Curve:
    """The curves of an ``epochs.csv``; the times are left out."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in (rows[0] if rows else {}) if name not in ("epoch", "seconds")]
        return {name: [float(row[name]) for row in rows if row[name]] for name in names}
    except (OSError, ValueError, KeyError):
        return {}


def _recorded(trial: FrozenTrial, folder: Path, metric: str) -> Curve:
    """The trial's curve: every metric from its folder, or the study's from the storage where that is gone."""
    curve = read_curve(folder / "epochs.csv")
    if curve:
        return curve
    values = [value for _, value in sorted(trial.intermediate_values.items())]
    if not values:
        raise UserError(Mistake("--reproduce", trial.number, f"has no curve: {folder / 'epochs.csv'} is missing"))
    return {metric: values}


def _threads(trial: FrozenTrial, attrs: dict[str, Any]) -> tuple[int, list[str]]:
    """The CPU threads that the trial trained with, and what is not known of them."""
    recorded = trial.user_attrs["result"].get("threads")
    if recorded:
        return int(recorded), []
    runs = attrs.get("runs") or [{}]
    workers = int(runs[-1].get("workers", 1))
    guess = max(1, cpu_count() // workers)
    return guess, [f"the trial's CPU threads; taken to be {guess}, as for {workers} workers on this machine's cores"]


def _changed(stored: dict[str, Any], facts: dict[str, Any], then: Outcome, now: Outcome) -> list[str]:
    lines = [line.replace("in the study", "then").replace("in the file", "now") for line in differences(stored, facts)]
    return lines + ([f"trained on {then.device} then, on {now.device} now"] if then.device != now.device else [])
