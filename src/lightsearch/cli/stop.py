"""``lightsearch stop``: stops the searches on a study, or ends one of its trials."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lightsearch.cli.command import STUDY_HELP, Storage, console, run_command, study_name, study_path
from lightsearch.errors import UserError

if TYPE_CHECKING:
    import optuna

    from lightsearch.storage.retrying import RetryingStorage
    from lightsearch.study.searches import RunningSearch

WAIT_SECONDS = 60.0
"""How long to wait until what was asked for has happened. A search kills trials that do not stop within 15 s."""

LOOK_SECONDS = 0.2
"""Time between two looks at the storage meanwhile."""


def main(
    study: Annotated[str, typer.Option(help=STUDY_HELP)] = "digits",
    trial: Annotated[int | None, typer.Option(min=0, help="End this trial only; the search goes on.")] = None,
    storage: Storage = None,
) -> None:
    """Stop all searches on a study, as Ctrl-C does, from any machine with the same storage; or end one trial."""
    from lightsearch.storage.urls import storage_url

    url = storage_url(storage)
    opened, found = _open(url, study)
    if trial is None:
        _stop_searches(console(), opened, url, found, study)
    else:
        _end_trial(console(), opened, url, found, trial)


def _open(url: str, study: str) -> tuple[RetryingStorage, optuna.Study]:
    """Opens the storage and the study."""
    from lightsearch.storage.opening import open_storage
    from lightsearch.study.stored import find_study

    name = study_name(study)
    try:
        opened = open_storage(url, create=False)
        return opened, find_study(opened, name)
    except UserError as error:
        if not study_path(study).exists():
            raise
        hint = "a first search that is still starting up has no study yet: press Ctrl-C there, or repeat this later"
        raise UserError(*error.mistakes, hint) from None


def _stop_searches(screen: Console, storage: RetryingStorage, url: str, study: optuna.Study, given: str) -> None:
    from lightsearch.compat.optuna_trials import study_id_of
    from lightsearch.display.wording import counted
    from lightsearch.storage.locks import study_lock
    from lightsearch.study.requests import ask_to_stop
    from lightsearch.study.searches import running_searches
    from lightsearch.study.status import Status, status_of

    study_id = study_id_of(study)
    with study_lock(url, study.study_name, retry_seconds=storage.retry_seconds):
        asked = running_searches(storage, study_id)
        ask_to_stop(storage, study_id)
    if not asked:
        line = f"no search runs on {study.study_name}; one that is starting up stops before its first trial"
        screen.print(line, markup=False, soft_wrap=True)
        return
    screen.print(f"asked to stop: {', '.join(map(_described, asked))}", markup=False, soft_wrap=True)
    keys = {search.key for search in asked}
    if not _wait_until(lambda: not keys & {search.key for search in running_searches(storage, study_id)}):
        screen.print(f"not stopped after {WAIT_SECONDS:.0f} s; it stops when it answers, or when its lease has ended")
        raise typer.Exit(1)
    counts = Counter(map(status_of, study.get_trials(deepcopy=False)))
    waiting = counts[Status.INTERRUPTED] + counts[Status.ENQUEUED]
    wait = f"{counted(waiting, 'trial')} {'waits' if waiting == 1 else 'wait'} to be continued"
    if counts[Status.PAUSED]:
        wait += f" and {counts[Status.PAUSED]} {'is' if counts[Status.PAUSED] == 1 else 'are'} paused, to be resumed"
    screen.print(f"stopped; {wait} by the command that started the search:", soft_wrap=True)
    command = run_command(given, url, max((one.budget for one in asked), key=lambda one: one.n_trials).options)
    screen.print(f"  {command}", markup=False, soft_wrap=True)


def _end_trial(screen: Console, storage: RetryingStorage, url: str, study: optuna.Study, number: int) -> None:
    from lightsearch.display.wording import describe_outcome
    from lightsearch.paths import study_folder
    from lightsearch.study.origin import ended_how, outcome_of
    from lightsearch.study.withdrawal import Withdrawal, withdraw

    answer = withdraw(study, storage, url, study_folder(study.study_name), number)
    if answer is Withdrawal.ASKED:
        screen.print(f"asked the search that runs trial {number} to end it", markup=False)
        if not _wait_until(lambda: study.get_trials(deepcopy=False)[number].state.is_finished()):
            screen.print(f"trial {number} has not ended after {WAIT_SECONDS:.0f} s; see lightsearch status")
            raise typer.Exit(1)
    trial = study.get_trials(deepcopy=False)[number]
    if answer is Withdrawal.FINISHED:
        screen.print(f"trial {number} {ended_how(trial)} before; there is nothing to stop", markup=False)
        return
    outcome = outcome_of(trial)
    line = f"trial {number} has ended" if outcome is None else describe_outcome(outcome)
    screen.print(line, markup=False, soft_wrap=True)


def _wait_until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _described(search: RunningSearch) -> str:
    return f"the search of process {search.owner.pid} on {search.owner.host}"
