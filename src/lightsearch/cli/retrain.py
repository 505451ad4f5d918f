"""``lightsearch retrain``: the leaders on fresh seeds; the winner trained, tested once and exported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lightsearch.cli.command import STUDY_HELP, DataDir, Storage, console, data_dir, print_test_count, study_name


class On(StrEnum):
    """What the final model is trained on."""

    TRAIN_VAL = "train+val"
    TRAIN = "train"


def main(
    study: Annotated[str, typer.Option(help=STUDY_HELP)] = "digits",
    top: Annotated[int, typer.Option(min=1, help="Leading configurations to retrain (the defaults as well).")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh seeds for each of them.")] = 5,
    on: Annotated[
        On | None, typer.Option(help="What the final model is trained on (else train+val, if the data has join_val).")
    ] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Retrain the configuration of this trial only.", metavar="TRIAL")
    ] = None,
    reproduce: Annotated[
        int | None,
        typer.Option(
            min=0, help="Only run this trial again and compare; exit status 1 if it differs.", metavar="TRIAL"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time (else: fills the cores, or one per GPU).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the results (else reports/NAME).", file_okay=True)
    ] = None,
    storage: Storage = None,
    data: DataDir = None,
) -> None:
    """Confirm the leaders on fresh seeds, train the winner and test it once. The same command continues."""
    from lightsearch.storage.urls import storage_url

    name, screen, url = study_name(study), console(), storage_url(storage)
    if reproduce is not None:
        sys.exit(_reproduce(screen, name, reproduce, url, data_dir(data)))
    folder = (output or Path("reports") / name).absolute()
    with _display(screen) as display:
        # takes seconds, in which a user may press Ctrl-C
        from lightsearch.confirm.retrain import RetrainSettings, retrain

        settings = RetrainSettings(top, seeds, on.value if on is not None else None, trial, workers)
        confirmation, final = retrain(name, settings, url=url, data_dir=data_dir(data), output=folder, display=display)
    _print_ranking(screen, confirmation)
    _print_final(screen, final)
    screen.print(f"\nranking    {folder / 'confirm.md'}", soft_wrap=True)
    screen.print(f"model      {folder / 'final' / 'model.ckpt'}", soft_wrap=True)
    screen.print(f"model card {folder / 'final' / 'README.md'}", soft_wrap=True)


def _reproduce(screen: Console, name: str, number: int, url: str, data_dir: str | None) -> int:
    """Runs a trial again and prints the comparison; returns the exit status."""
    with _display(screen) as display:
        from lightsearch.confirm.reproduce import reproduce

        found = reproduce(name, number, url=url, display=display, data_dir=data_dir)
    for line in found.lines():
        screen.print(line, markup=False, soft_wrap=True)
    return 0 if found.same else 1


@contextmanager
def _display(screen: Console) -> Iterator[Any]:
    """Where the progress is shown. A stop by a signal ends the command."""
    from lightsearch.confirm.display import RetrainDisplay
    from lightsearch.confirm.pool import Stopped

    try:
        with RetrainDisplay(screen) as display:
            yield display
    except Stopped as stopped:
        screen.print("stopped; run the same command again to continue")
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _print_ranking(screen: Console, confirmation: Any) -> None:
    from lightsearch.confirm.ranking_table import ranking_table

    screen.print()
    screen.print(ranking_table(confirmation.ranked, confirmation.metric))
    screen.print(f"\n{confirmation.verdict}", markup=False, soft_wrap=True)
    failures = [(one.label, failure) for one in confirmation.ranked for failure in one.failures]
    for label, failure in failures:
        screen.print(f"{label}, {failure}", markup=False, soft_wrap=True)
    if failures:
        screen.print("failed runs count against a configuration; the same command repeats those that did not diverge")


def _print_final(screen: Console, final: Any) -> None:
    evaluation, title = final.evaluation, f"{final.run.label} on {final.run.on}, {final.epochs} epochs"
    if evaluation is None:
        screen.print(f"\n{title}, is untested: {final.untested}", markup=False, soft_wrap=True)
        return
    screen.print(f"\n{title}, on the test set:", markup=False)
    for line in evaluation.lines():
        screen.print(f"  {line}", markup=False, soft_wrap=True)
    print_test_count(screen, evaluation)
