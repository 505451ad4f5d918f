"""``lightsearch status``: the state of a study."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lightsearch.cli.command import STUDY_HELP, Storage, console, print_findings, study_name

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from lightsearch.declare.study_file import StudyFile

PLAIN: dict[str, Any] = {"markup": False, "soft_wrap": True}
"""How a line with text from outside is printed."""

MOST_PAUSED = 3
"""The number of paused trials that are named."""


def main(
    study: Annotated[str | None, typer.Option(help=f"{STUDY_HELP} Without it: all studies.")] = None,
    storage: Storage = None,
) -> None:
    """Show the state of a study: trials by state and kind, the best so far, running trials."""
    from lightsearch.storage.opening import open_storage
    from lightsearch.storage.urls import storage_url

    opened = open_storage(storage_url(storage), create=False)
    screen = console()
    if study is None:
        _print_studies(screen, opened)
    else:
        _print_study(screen, opened, study_name(study))


def _print_studies(screen: Console, storage: Any) -> None:
    import optuna

    from lightsearch.compat.optuna_trials import study_id_of
    from lightsearch.study.creation import study_names
    from lightsearch.study.origin import may_lead
    from lightsearch.study.pareto import ranked

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("study", "trials", "best"):
        table.add_column(column, justify="left" if column == "study" else "right")
    whole = study_names(storage)
    for summary in optuna.get_all_study_summaries(storage, include_best_trial=False):
        if summary.study_name not in whole:
            continue
        trials = storage.get_all_trials(study_id_of(summary), deepcopy=False)
        directions = [direction.name.lower() for direction in summary.directions]
        best = ranked(may_lead(trials, summary.user_attrs), directions)
        table.add_row(escape(summary.study_name), str(summary.n_trials), f"{best[0].values[0]:.5g}" if best else "-")
    screen.print(table)


def _print_study(screen: Console, storage: Any, name: str) -> None:
    from lightsearch.display.wording import counted, describe_outcome, describe_params
    from lightsearch.storage.locks import storage_time
    from lightsearch.study import status
    from lightsearch.study.best_so_far import best_so_far
    from lightsearch.study.leaders import leaders, pareto_front
    from lightsearch.study.lineage import schedule
    from lightsearch.study.origin import outcome_of
    from lightsearch.study.stored import declaration_of, find_study
    from lightsearch.study.widenings import describe as describe_widening
    from lightsearch.study.widenings import widenings

    found = find_study(storage, name)
    declared, trials = declaration_of(found), found.get_trials(deepcopy=False)
    kinds = Counter(str(outcome.kind) for trial in trials if (outcome := outcome_of(trial)))
    aims = ", ".join(" ".join(aim) for aim in zip(declared.directions, declared.metrics, strict=True))
    screen.print(f"{name}: {aims}, {len(trials)} trials", markup=False)
    screen.print(f"by state  {status.describe_counts(status.count(trials)) or 'none'}")
    screen.print("by kind   " + (", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "none"))
    for widened in widenings(found.user_attrs):
        screen.print(f"widened   {describe_widening(widened)}", **PLAIN)
    best = (
        pareto_front(trials, declared.directions)
        if declared.multi_objective
        else leaders(trials, declared.direction, 1)
    )
    described = [describe_outcome(outcome, declared.metrics[1:]) for outcome in best] or ["none yet"]
    for line in described:
        screen.print(f"{'front' if declared.multi_objective else 'best':<10}{line}", **PLAIN)
    for outcome in best:
        if (changed := schedule(trials, outcome.number)) is not None:
            screen.print(f"schedule  {changed}", **PLAIN)
    ahead = best_so_far(trials, declared.directions)
    if ahead is not None and ahead.status:
        screen.print(f"ahead     {ahead.trial}, {ahead.value:.5g} | {describe_params(ahead.params)}", **PLAIN)
    _print_unfinished(screen, trials, declared, storage_time(storage))
    if declared.objective is None:
        uses = len(found.user_attrs.get("test_evaluations", []))
        screen.print(f"tested    {counted(uses, 'time')} on the test set")
    print_findings(screen, found)


def _print_unfinished(screen: Console, trials: list[FrozenTrial], declared: StudyFile, now: float) -> None:
    """One line about each trial that runs or waits, and one about all that are paused."""
    from lightsearch.display.epochs import latest_epoch
    from lightsearch.study.status import Status, status_of

    found = {trial.number: status_of(trial) for trial in trials}
    for trial in trials:
        if found[trial.number] is Status.RUNNING:
            _print_running(screen, trial, latest_epoch(trial), declared.metric, now)
        elif found[trial.number] in (Status.INTERRUPTED, Status.ENQUEUED):
            _print_waiting(screen, trial)
    paused = [trial for trial in trials if found[trial.number] is Status.PAUSED]
    if paused:
        _print_paused(screen, paused, declared.direction)


def _print_running(screen: Console, trial: FrozenTrial, latest: tuple[int, str], metric: str, now: float) -> None:
    """One line about a running trial.

    Args:
        screen: Where it is printed.
        trial: The trial.
        latest: Its epochs so far and the metric at the last one.
        metric: The metric's name.
        now: The storage's time, in seconds since 1970.
    """
    import time

    from lightsearch.display.wording import counted, describe_params, duration
    from lightsearch.study.leases import is_stale
    from lightsearch.study.scheduling import decisions_of, until_of

    since = stale = ""
    if trial.datetime_start is not None:
        since = f", started {duration(time.time() - trial.datetime_start.timestamp())} ago"
    if is_stale(trial.user_attrs, now):
        stale = "; its coordinator is dead, the next run takes the trial over"
    pauses = "" if (until := until_of(trial.user_attrs)) is None else f", pauses after {until}"
    why = "".join(f" | {reason}" for _, _, reason in decisions_of(trial)[-1:])
    line = f"running   trial {trial.number}: {counted(latest[0], 'epoch')}{pauses}, {metric} {latest[1]}{since}{stale}"
    screen.print(f"{line} | {describe_params(trial.params)}{why}", **PLAIN)


def _print_waiting(screen: Console, trial: FrozenTrial) -> None:
    """One line about a trial that waits."""
    from lightsearch.compat.optuna_trials import enqueued_params_of
    from lightsearch.display.wording import describe_params

    reason, params = "enqueued", enqueued_params_of(trial)
    if "attempt" in trial.user_attrs:
        reason, params = "interrupted, the next run continues it", trial.params
    line = f"waiting   trial {trial.number}: {reason}" + (f" | {describe_params(params)}" if params else "")
    screen.print(line, **PLAIN)


def _print_paused(screen: Console, paused: list[FrozenTrial], direction: str) -> None:
    """The number of the trials that are paused, and the best of them."""
    from lightsearch.display.wording import counted
    from lightsearch.study.origin import outcome_of

    sign = -1.0 if direction == "minimize" else 1.0
    known = [one for trial in paused if (one := outcome_of(trial)) is not None and one.value is not None]
    known.sort(key=lambda one: -sign * (one.value or 0.0))
    best = [f"trial {one.number} {one.value:.5g} ({counted(one.epochs, 'epoch')})" for one in known[:MOST_PAUSED]]
    line = f"paused    {counted(len(paused), 'trial')} until the scheduler chooses them"
    screen.print(line + (f"; the best: {', '.join(best)}" if best else ""), **PLAIN)
