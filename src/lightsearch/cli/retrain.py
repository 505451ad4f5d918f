"""``python -m search.retrain``: the leaders on fresh seeds, the winner trained, tested once and handed over."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lightsearch.cli.command import STUDY_HELP, DataDir, Storage, console, data_dir, study_name


class On(StrEnum):
    """What the final model is trained on."""

    TRAIN_VAL = "train+val"
    TRAIN = "train"


def main(
    study: Annotated[str, typer.Option(help=STUDY_HELP)] = "digits",
    top: Annotated[int, typer.Option(min=1, help="Leading configurations to retrain (the defaults as well).")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh seeds for each of them.")] = 5,
    on: Annotated[
        On | None,
        typer.Option(help="What the chosen one is trained on at the end (else: train+val, if the data has join_val)."),
    ] = None,
    n_trial: Annotated[int | None, typer.Option(min=0, help="Retrain this trial's configuration only.")] = None,
    reproduce: Annotated[
        int | None,
        typer.Option(
            min=0, help="Only run this trial again and compare; exit status 1 if it differs.", metavar="TRIAL"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time (else: fills the cores, or one a GPU).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the results (else reports/NAME).", file_okay=True)
    ] = None,
    storage: Storage = None,
    data: DataDir = None,
) -> None:
    """Confirm the leaders on fresh seeds, train the winner and test it once; the same command goes on."""
    from lightsearch.confirm.display import RetrainDisplay
    from lightsearch.confirm.pool import Stopped
    from lightsearch.storage.urls import storage_url

    name, screen = study_name(study), console()
    places: dict[str, Any] = {"url": storage_url(storage), "data_dir": data_dir(data)}
    try:
        with RetrainDisplay(screen) as display:
            if reproduce is not None:
                from lightsearch.confirm.reproduce import reproduce as run_again

                found: Any = run_again(name, reproduce, display=display, **places)
            else:
                from lightsearch.confirm.retrain import RetrainSettings, retrain

                folder = (output or Path("reports") / name).absolute()
                settings = RetrainSettings(top, seeds, on.value if on is not None else None, n_trial, workers)
                found = retrain(name, settings, output=folder, display=display, **places)
    except Stopped as stopped:
        screen.print("stopped; the same command goes on")
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    if reproduce is not None:
        for line in found.lines():
            screen.print(line, markup=False, soft_wrap=True)
        sys.exit(0 if found.same else 1)
    _print_end(screen, found[0], found[1], folder)


def _print_end(screen: Console, confirmation: Any, final: Any, folder: Path) -> None:
    """The ranking, the test result, and where everything is."""
    from lightsearch.confirm.ranking_table import ranking_table

    screen.print()
    screen.print(ranking_table(confirmation.ranked, confirmation.metric))
    screen.print(f"\n{confirmation.verdict}", markup=False, soft_wrap=True)
    for one in confirmation.ranked:
        for failure in one.failures:
            screen.print(f"{one.label}, {failure}", markup=False, soft_wrap=True)
    if any(one.failures for one in confirmation.ranked):
        screen.print(
            "failed runs count against a configuration; the same command tries those that did not diverge again"
        )
    evaluation, title = final.evaluation, f"{final.run.label} on {final.run.on}, {final.epochs} epochs"
    if evaluation is None:
        screen.print(f"\n{title}, is untested: {final.untested}", markup=False, soft_wrap=True)
    else:
        screen.print(f"\n{title}, on the test set:", markup=False)
        for line in evaluation.lines():
            screen.print(f"  {line}", markup=False, soft_wrap=True)
    if evaluation is not None and evaluation.ordinal > 1:
        screen.print(
            f"\nThis is evaluation number {evaluation.ordinal} of this study's test set. "
            "A choice made after looking at test results is no longer tested by them.",
            soft_wrap=True,
        )
    screen.print(f"\nranking    {folder / 'confirm.md'}", soft_wrap=True)
    screen.print(f"model      {folder / 'final' / 'model.ckpt'}", soft_wrap=True)
    screen.print(f"model card {folder / 'final' / 'README.md'}", soft_wrap=True)
