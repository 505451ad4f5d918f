"""From the leaders of a search to a tested model. The file to read first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optuna

from lightsearch.confirm import candidates
from lightsearch.confirm.confirmation import Confirmation, confirm, write_confirmation
from lightsearch.confirm.context import RetrainContext, load, open_study
from lightsearch.confirm.display import RetrainDisplay
from lightsearch.confirm.evaluation import why_untested
from lightsearch.confirm.final import FinalExport, export_final
from lightsearch.confirm.lock import retraining_lock
from lightsearch.confirm.ranking import Candidate, Ranked, rank
from lightsearch.confirm.record import Final
from lightsearch.confirm.runs import Run, RunOutcome, TrainSplit
from lightsearch.display.wording import describe_params
from lightsearch.errors import Mistake, UserError
from lightsearch.paths import study_folder
from lightsearch.study import origin
from lightsearch.study.leaders import pareto_front
from lightsearch.study.lineage import schedule
from lightsearch.study.stored import declaration_of


@dataclass(frozen=True)
class RetrainSettings:
    """What to retrain, and how."""

    top: int = 3
    """The number of leading configurations to retrain; the defaults are retrained as well."""
    seeds: int = 5
    """The number of fresh seeds for each configuration."""
    on: TrainSplit | None = None
    """What the final model is trained on: ``train+val``, for the median number of epochs after which the seeds were at
    their best, or ``train``, as in a trial. None: ``train+val`` if the data has a method ``join_val``, else ``train``.
    """
    trial: int | None = None
    """Retrain only this trial's configuration; required with several objectives."""
    workers: int | None = None
    """Runs at a time; None: as many as fill the cores, or one per GPU."""


def retrain(
    name: str,
    settings: RetrainSettings,
    *,
    url: str,
    output: Path,
    display: RetrainDisplay,
    data_dir: str | None = None,
) -> tuple[Confirmation, Final]:
    """Confirms the leaders on fresh seeds, trains the best of them, tests it once and exports it.

    If there is no way to test, a message says so before any training, and the model stays untested.

    Writes ``confirm.json``, ``confirm.md`` and ``final/`` into ``output``. Runs that are done are not repeated: an
    interrupted retraining continues, and a finished one returns its results.

    Args:
        name: The study's name.
        settings: What to retrain, and how.
        url: The storage.
        output: The folder of the results, ``reports/<name>``.
        display: Where progress is shown.
        data_dir: Folder of the data files.

    Raises:
        UserError: if the study, its classes, its data or the output folder cannot be used, another process retrains
            the study, or all runs fail.
        Stopped: by a signal.
        ResourceUnavailable: if the machine cannot continue, for example because the disk is full.
    """
    study = open_study(name, url, output)
    chosen_from = _candidates(study, settings)
    with retraining_lock(study_folder(name)):
        context = load(study, url, data_dir, display)
        if settings.trial is None:
            chosen_from = candidates.with_baseline(chosen_from, context.class_info.defaults)
        on = _train_split(context, settings.on, display)
        untested = _announce(context, chosen_from, display)
        confirmation = _confirm(context, chosen_from, settings, display)
        write_confirmation(confirmation, output)
        display.message(confirmation.verdict)
        # With as many threads as the runs before: a small model does not train faster with more.
        n_runs = len(chosen_from) * settings.seeds
        run, outcome = _train_final(context, confirmation.chosen, on, n_runs, settings.workers, display)
        export = FinalExport(context.declared, url, data_dir, run, outcome, confirmation, output, untested)
        return confirmation, export_final(export, context.server, display)


def _candidates(study: optuna.Study, settings: RetrainSettings) -> list[Candidate]:
    """The configurations of the search to retrain."""
    declared, trials = declaration_of(study), study.get_trials(deepcopy=False)
    if settings.trial is not None:
        return [candidates.named(trials, settings.trial)]
    if declared.multi_objective:
        numbers = ", ".join(str(one.number) for one in pareto_front(trials, declared.directions))
        hint = f"has several objectives; choose a trial of its front yourself, with --trial: {numbers}"
        raise UserError(Mistake("--study", study.study_name, hint))
    return candidates.leading(trials, declared.direction, settings.top, study.study_name)


def _train_split(context: RetrainContext, on: TrainSplit | None, display: RetrainDisplay) -> TrainSplit:
    """What the final model is trained on."""
    if context.class_info.joins_val:
        return on or "train+val"
    if on == "train+val":
        raise UserError(Mistake("--on", on, "the study's data has no method join_val; write --on train"))
    if on is None:
        display.message("the data has no method join_val: the final model is trained on the training part alone")
    return "train"


def _announce(context: RetrainContext, chosen_from: list[Candidate], display: RetrainDisplay) -> str | None:
    """Shows what will be retrained. Returns why the final model cannot be tested; None if it can."""
    if (line := origin.note(context.study)) is not None:
        display.message(line)
    untested: str | None = context.server.call(why_untested, context.declared, chosen_from[0].params, context.data_dir)
    if untested is not None:
        display.message(f"{untested}; the final model will not be tested")
    trials = context.study.get_trials(deepcopy=False)
    for one in chosen_from:
        display.message(f"{one.label}: {describe_params(one.params)}")
        if one.trial is not None and (line := schedule(trials, one.trial)) is not None:
            display.message(f"  its training repeats the schedule: {line}")
    return untested


def _confirm(
    context: RetrainContext, chosen_from: list[Candidate], settings: RetrainSettings, display: RetrainDisplay
) -> Confirmation:
    """Trains every configuration on every seed, and ranks them."""
    # Seed by seed, so that a first ranking shows early.
    runs = [context.run("confirm", one, index) for index in range(settings.seeds) for one in chosen_from]
    outcomes = context.pool(len(runs), settings.workers, display).train(runs)
    by_candidate = [outcomes[index :: len(chosen_from)] for index in range(len(chosen_from))]
    metric, direction = context.declared.metric, context.declared.direction
    ranked = rank(chosen_from, by_candidate, direction, metric)
    if ranked[0].mean is None:
        raise _failed(runs[0], outcomes[0], context.folder)
    return confirm(context.study.study_name, metric, direction, ranked, context.facts.versions)


def _train_final(
    context: RetrainContext, chosen: Ranked, on: TrainSplit, n_runs: int, workers: int | None, display: RetrainDisplay
) -> tuple[Run, RunOutcome]:
    """Trains the chosen configuration once more, on a seed of its own."""
    epochs = chosen.best_epochs if on == "train+val" else None
    run = context.run("final", chosen, 0, on=on, epochs=epochs)
    display.message(f"training {chosen.label} on {on}" + (f" for {epochs} epochs" if epochs else ""))
    outcome = context.pool(n_runs, workers, display).train([run])[0]
    if outcome.error is not None:
        raise _failed(run, outcome, context.folder)
    return run, outcome


def _failed(run: Run, outcome: RunOutcome, folder: Path) -> UserError:
    reason = f"{outcome.error.type}: {outcome.error.message}" if outcome.error else str(outcome.kind)
    return UserError(f"cannot train {run.title}: {reason} (see {run.folder(folder) / 'log.txt'})")
