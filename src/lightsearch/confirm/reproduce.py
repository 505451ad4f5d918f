"""A trial run again: is its curve the same?"""

from __future__ import annotations

from typing import Any

from joblib import cpu_count
from optuna.trial import FrozenTrial

from lightsearch.confirm import candidates
from lightsearch.confirm.context import RetrainContext, load, open_study
from lightsearch.confirm.curves import read_curve, recorded_curve
from lightsearch.confirm.display import RetrainDisplay
from lightsearch.confirm.lock import retraining_lock
from lightsearch.confirm.reproduction import Reproduction, compare
from lightsearch.confirm.runs import RUN, Phase, Run
from lightsearch.display.wording import describe_params
from lightsearch.errors import Mistake, UserError
from lightsearch.outcome import Kind, Outcome
from lightsearch.paths import study_folder, trial_folder
from lightsearch.study.lineage import schedule
from lightsearch.study.origin import ended_how, outcome_of
from lightsearch.study.scheduling import is_scheduled
from lightsearch.study.stored import differences

PACK_TOLERANCE = 0.02
"""The difference in a metric that does not count if the trial trained in a pack, where sums have another order."""


def reproduce(
    name: str, number: int, *, url: str, display: RetrainDisplay, data_dir: str | None = None
) -> Reproduction:
    """Runs a trial again, from its recorded seed and parameters, in a worker process of its own.

    A trial that the pruner or a scheduler has stopped is stopped after the same epoch; every other one ends by itself.

    Args:
        name: The study's name.
        number: The trial's number.
        url: The storage.
        display: Where progress is shown.
        data_dir: Folder of the data files.

    Raises:
        UserError: if there is no such study or trial, its data is missing or has changed, or it has no curve; if
            another process retrains the study.
        Stopped: by a signal.
    """
    study = open_study(name, url, None)
    trials = study.get_trials(deepcopy=False)
    trial = candidates.trial_of(trials, number, "--reproduce")
    outcome, earlier = _recorded_outcome(trial), candidates.earlier_phases(trials, number)
    before = recorded_curve(trial, trial_folder(study_folder(name), number), study.user_attrs["metric"])
    threads, unknown = _threads(trial, study.user_attrs)
    display.message(f"trial {number}: {describe_params(outcome.params)}, seed {outcome.seed}, CPU threads {threads}")
    if (line := schedule(trials, number)) is not None:
        display.message(f"  its training repeats the schedule: {line}")
    with retraining_lock(study_folder(name)):
        context = load(study, url, data_dir, display)
        run = _run_of(context, outcome, earlier, scheduled=is_scheduled([trial]))
        folder = run.folder(context.folder)
        (folder / RUN).unlink(missing_ok=True)  # an earlier repetition does not count
        again = context.pool(1, 1, display, threads=threads).train([run])[0]
        if again.error is not None and again.kind is not outcome.kind:
            raise UserError(
                f"trial {number} ended as {outcome.kind}, and now as {again.kind}: {again.error.message} "
                f"(see {folder / 'log.txt'})"
            )
        now, changed = read_curve(folder / "epochs.csv"), _changed(context, outcome, again)
        return compare(number, before, now, changed, unknown, PACK_TOLERANCE if outcome.epoch_seeds else 0.0)


def _recorded_outcome(trial: FrozenTrial) -> Outcome:
    outcome = outcome_of(trial)
    if outcome is None or outcome.seed is None or outcome.kind not in (Kind.COMPLETE, Kind.PRUNED, Kind.DIVERGED):
        hint = f"{ended_how(trial)}; name a complete, pruned or diverged trial"
        raise UserError(Mistake("--reproduce", trial.number, hint))
    return outcome


def _run_of(context: RetrainContext, outcome: Outcome, earlier: list[Phase], *, scheduled: bool) -> Run:
    assert outcome.seed is not None
    # What a training by itself does not repeat: a pruner, or a scheduler and who stopped the trial after its pauses.
    stopped = outcome.kind is Kind.PRUNED or (scheduled and outcome.kind is Kind.COMPLETE)
    before = earlier[-1].epochs or 0 if earlier else 0
    return Run(
        study_uid=str(context.study.user_attrs.get("uid")),
        purpose="reproduce",
        trial=outcome.number,
        index=0,
        seed=outcome.seed,
        params=outcome.params,
        epochs=before + outcome.curve_epochs if stopped or outcome.epoch_seeds else None,
        stops_early=not scheduled,
        earlier=earlier,
        epoch_seeds=outcome.epoch_seeds,
    )


def _threads(trial: FrozenTrial, attrs: dict[str, Any]) -> tuple[int, list[str]]:
    """The CPU threads that the trial trained with, and what is unknown about them."""
    recorded = trial.user_attrs["result"].get("threads")
    if recorded:
        return int(recorded), []
    runs = attrs.get("runs") or [{}]
    workers = int(runs[-1].get("workers", 1))
    guess = max(1, cpu_count() // workers)
    return guess, [f"the trial's CPU threads; assumed are {guess}, as for {workers} workers on this machine's cores"]


def _changed(context: RetrainContext, then: Outcome, now: Outcome) -> list[str]:
    """What is different around the repetition."""
    facts = {"versions": context.facts.versions, "device": context.facts.device}
    stored = {key: context.study.user_attrs.get(key) for key in facts}
    lines = [line.replace("in the study", "then").replace("in the file", "now") for line in differences(stored, facts)]
    return lines + ([f"trained on {then.device} then, on {now.device} now"] if then.device != now.device else [])
