"""From the leaders of a search to a tested model. The page to read."""

from __future__ import annotations

import datetime
from pathlib import Path

from lightsearch.atomic_files import write_json, write_text
from lightsearch.confirm import candidates, final, ranking
from lightsearch.confirm.context import RetrainContext, load, open_study
from lightsearch.confirm.display import Display, cells
from lightsearch.confirm.evaluation import why_untested
from lightsearch.confirm.lock import sole_retraining
from lightsearch.confirm.ranking import Candidate, Confirmation
from lightsearch.confirm.record import Final
from lightsearch.confirm.runs import Run, RunOutcome, TrainSplit
from lightsearch.display.wording import describe_params
from lightsearch.errors import Mistake, UserError
from lightsearch.paths import study_folder
from lightsearch.study import origin
from lightsearch.study.leaders import pareto_front
from lightsearch.study.stored import declaration_of


def retrain(
    name: str,
    *,
    url: str,
    display: Display,
    output: Path,
    top: int = 3,
    seeds: int = 5,
    on: TrainSplit | None = None,
    n_trial: int | None = None,
    workers: int | None = None,
    data_dir: str | None = None,
) -> tuple[Confirmation, Final]:
    """Confirms the leaders on fresh seeds, trains the best of them, tests it once and hands it over.

    Where there is nothing to test with, that is said before anything is trained, and the model stays untested.

    Writes ``confirm.json``, ``confirm.md`` and ``final/`` into ``output``. What is done already is not done again: an
    interrupted retraining goes on, and a finished one tells what it found.

    Args:
        name: The study's name.
        url: The storage.
        display: Where progress is shown.
        output: The folder of the results, ``reports/<name>``.
        top: Leading configurations to retrain; the defaults are retrained as well.
        seeds: Fresh seeds for each.
        on: What the chosen one is trained on at the end: train+val for the median number of epochs after which its
            seeds were at their best, or train as in a trial; None: train+val, if the data has a method ``join_val``.
        n_trial: Retrain this trial's configuration only; of several objectives one must be named.
        workers: Runs at a time; None: fills the cores, or one a GPU.
        data_dir: Folder of the data files.

    Raises:
        UserError: if the study, its classes, its data or the output folder are not as they must be, another process
            retrains the study, or all runs fail.
        Stopped: by a signal.
        ResourceUnavailable: if the machine does not let it go on, as when the disk is full.
    """
    study = open_study(name, url, output)
    declared, trials = declaration_of(study), study.get_trials(deepcopy=False)
    if n_trial is not None:
        chosen_from = [candidates.named(trials, n_trial)]
    elif declared.multi_objective:
        numbers = ", ".join(str(one.number) for one in pareto_front(trials, declared.directions))
        hint = f"has several objectives; choose a trial of its front yourself, with --n-trial: {numbers}"
        raise UserError(Mistake("--study", name, hint))
    else:
        chosen_from = candidates.leading(trials, declared.direction, top, name)
    with sole_retraining(study_folder(name)):
        opened = load(study, url, data_dir, display)
        if n_trial is None:
            chosen_from = candidates.with_baseline(chosen_from, opened.class_info.defaults)
        return _retrain(opened, chosen_from, seeds, on, workers, output, display)


def _retrain(
    opened: RetrainContext,
    chosen_from: list[Candidate],
    seeds: int,
    on: TrainSplit | None,
    workers: int | None,
    output: Path,
    display: Display,
) -> tuple[Confirmation, Final]:
    if on == "train+val" and not opened.class_info.joins_val:
        raise UserError(Mistake("--on", on, "the study's data has no method join_val; write --on train"))
    if on is None:
        on = "train+val" if opened.class_info.joins_val else "train"
        if on == "train":
            display.message("the data has no method join_val: the final model is trained on the training part alone")
    if (line := origin.note(opened.study)) is not None:
        display.message(line)
    untested = opened.server.call(why_untested, opened.declared, chosen_from[0].params, opened.data_dir)
    if untested is not None:
        display.message(f"{untested}; the final model will not be tested")
    for one in chosen_from:
        display.message(f"{one.label}: {describe_params(one.params)}")
    confirmation = _confirm(opened, chosen_from, seeds, workers, display)
    said = {"chosen": confirmation.chosen.label, "verdict": confirmation.verdict}
    write_json(output / "confirm.json", {**said, **confirmation.model_dump(mode="json")})
    write_text(output / "confirm.md", _as_markdown(confirmation))
    display.message(confirmation.verdict)

    chosen = confirmation.chosen
    epochs = chosen.best_epochs if on == "train+val" else None
    run = opened.run("final", chosen, 0, on=on, epochs=epochs)
    display.message(f"training {chosen.label} on {on}" + (f" for {epochs} epochs" if epochs else ""))
    # With the threads of the runs before: a small model trains no faster with more.
    outcome = opened.pool(len(chosen_from) * seeds, workers, display).train([run])[0]
    if outcome.error is not None:
        raise _failed(run, outcome, opened.folder)
    return confirmation, final.hand_over(opened, run, outcome, confirmation, output, display, untested)


def _confirm(
    opened: RetrainContext, chosen_from: list[Candidate], seeds: int, workers: int | None, display: Display
) -> Confirmation:
    # Seed by seed, so that a first ranking shows early.
    runs = [opened.run("confirm", one, index) for index in range(seeds) for one in chosen_from]
    outcomes = opened.pool(len(runs), workers, display).train(runs)
    by_candidate = [outcomes[position :: len(chosen_from)] for position in range(len(chosen_from))]
    direction = opened.declared.direction
    ranked = ranking.rank(chosen_from, by_candidate, direction, opened.declared.metric)
    if ranked[0].mean is None:
        raise _failed(runs[0], outcomes[0], opened.folder)
    first, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    probability = ranking.probability_better(first.values, second.values, direction) if second else None
    return Confirmation(
        study=opened.study.study_name,
        metric=opened.declared.metric,
        direction=direction,
        ranked=ranked,
        probability=probability,
        within_noise=probability is not None and probability < ranking.CERTAIN,
        versions=opened.facts.versions,
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _failed(run: Run, outcome: RunOutcome, folder: Path) -> UserError:
    said = f"{outcome.error.type}: {outcome.error.message}" if outcome.error else str(outcome.kind)
    return UserError(f"cannot train {run.title}: {said} (see {run.folder(folder) / 'log.txt'})")


def _as_markdown(confirmation: Confirmation) -> str:
    """``confirm.md``: the ranking as a table."""
    head = ["configuration", f"mean {confirmation.metric}", "95% interval", "sd", "seeds", "in the search", "epochs"]
    rows = [[*cells(one), describe_params(one.params).replace("|", "\\|")] for one in confirmation.ranked]
    lines = [
        " | ".join([*head, "parameters"]),
        " | ".join(["---"] * (len(head) + 1)),
        *(" | ".join(row) for row in rows),
    ]
    failures = [f"- {one.label}, {failure}\n" for one in confirmation.ranked for failure in one.failures]
    failed = ["\nFailed runs; a configuration with more of them comes later:\n\n"] if failures else []
    cut = "Intervals of a share are cut off at 0 and at 1, where Student's goes on. "
    return (
        f"# {confirmation.study}: the leaders on fresh seeds\n\n{confirmation.verdict}.\n\n"
        + "\n".join(f"| {line} |" for line in lines)
        + "\n\nThe interval is that of the mean over seeds, on one split of the data. "
        + cut * any(one.cut for one in confirmation.ranked)
        + "The value in the search is that of one seed, and a leader's is more often lucky than not.\n"
        + "".join(failed + failures)
    )
