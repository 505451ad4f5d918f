"""``lightsearch evaluate``: the best trial's checkpoint on the test set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lightsearch.cli.command import STUDY_HELP, DataDir, Storage, console, data_dir, print_test_count, study_name

if TYPE_CHECKING:
    from lightsearch.confirm.test_uses import Evaluation


def main(
    study: Annotated[str, typer.Option(help=STUDY_HELP)] = "digits",
    trial: Annotated[
        int | None,
        typer.Option(min=0, help="Test this trial only, instead of the best one or the Pareto front.", metavar="TRIAL"),
    ] = None,
    storage: Storage = None,
    data: DataDir = None,
) -> None:
    """Test the study's best trial, or its Pareto front, and record that the test set was used."""
    from lightsearch.confirm.evaluation import evaluate
    from lightsearch.paths import study_folder
    from lightsearch.storage.opening import open_storage
    from lightsearch.storage.urls import storage_url
    from lightsearch.study.origin import note
    from lightsearch.study.provenance import changed_sources
    from lightsearch.study.stored import find_study

    name, screen = study_name(study), console()
    url = storage_url(storage)
    evaluations = evaluate(name, url=url, data_dir=data_dir(data), say=screen.print, trial=trial)
    if len(evaluations) > 1:
        screen.print()
        screen.print(_rows(evaluations))
    else:
        _print_one(screen, name, evaluations[0])
    print_test_count(screen, evaluations[-1])
    found = find_study(open_storage(url, create=False), name)
    for line in [*changed_sources(found.user_attrs), note(found)]:
        if line is not None:
            screen.print(f"\n{line}", markup=False, soft_wrap=True)
    screen.print(f"\nrecorded with the study and in {study_folder(name) / 'test_evaluations.json'}", soft_wrap=True)


def _print_one(screen: Console, name: str, evaluation: Evaluation) -> None:
    from lightsearch.display.wording import describe_params

    screen.print(f"\ntrial {evaluation.trial} of {name}: {describe_params(evaluation.params)}", markup=False)
    for line in evaluation.lines():
        screen.print(f"  {line}", markup=False, soft_wrap=True)
    screen.print(f"  its value in validation is {evaluation.value:.5g}")


def _rows(evaluations: list[Evaluation]) -> Table:
    """One row per trial of the Pareto front: its objectives, and the metrics that it logged on the test set."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    tested = list(dict.fromkeys(name for one in evaluations for name in one.metrics or {}))
    with_interval = list(dict.fromkeys(name for one in evaluations for name in one.intervals))
    for column in ("trial", *evaluations[0].values, *tested, *(f"95% interval of {name}" for name in with_interval)):
        table.add_column(escape(column), justify="right")
    for one in evaluations:
        numbers = [*one.values.values(), *((one.metrics or {}).get(name) for name in tested)]
        intervals = [one.intervals.get(name) for name in with_interval]
        table.add_row(
            str(one.trial),
            *("-" if number is None else f"{number:.5g}" for number in numbers),
            *("-" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}" for interval in intervals),
        )
    return table
