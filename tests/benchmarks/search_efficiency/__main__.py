"""How well a search finds good configurations with few epochs, against other methods and packages.

    python -m tests.benchmarks.search_efficiency --surrogate DIR [--tasks A,B,...] [--reference FILE] [--seeds 3]
        [--workers 1] [--method NAME ...] [--json FILE] [--processes P] [--trainings 50] [--prior 95]
    python -m tests.benchmarks.search_efficiency --table tests/benchmarks/search_efficiency/digits.parquet ...

Nothing is trained: learning curves come from the surrogate of LCBench (``pip install lightsearch[bench]``), or from the
table that ``record_table`` records. Every method is asked for the next trial when a simulated worker is free, and told
a value when its epoch is over. Every epoch that any trial trains counts, and the best value of any epoch is the
search's result. Regret 1 is a median random configuration, 0 the best of many random ones.

Methods: ``default`` (this project), ``none`` (this project without a scheduler), ``optuna-...``, and those of packages
that are installed beside it; ``all`` are all. See ``peers`` for their packages.

``--prior 95`` shows what a good guess of the parameters is worth to ``default``, and ``--prior 5`` what a bad one
costs: the guess is the configuration at that percentile of 100 random ones, the same for all searches of a task.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lightsearch.errors import UserError
from tests.benchmarks.search_efficiency.accounting import BUDGETS, Regrets, budgets_of, slowdowns, summarise, write_json
from tests.benchmarks.search_efficiency.methods import METHODS, missing
from tests.benchmarks.search_efficiency.printing import table_of, table_of_slowdowns
from tests.benchmarks.search_efficiency.problem import study_of
from tests.benchmarks.search_efficiency.runs import Options, Run, run_all


def main() -> None:
    given = _parser().parse_args()
    options = Options(
        given.surrogate,
        given.table,
        given.reference,
        timed=given.clock == "seconds",
        patience=given.patience,
        overrides=tuple(given.set),
        metric=given.metric,
    )
    options = replace(options, trainings=given.trainings, prior=given.prior)
    budgets = budgets_of(given.trainings)
    try:
        problem = options.problem()
    except ModuleNotFoundError as error:
        sys.exit(f'{error.name} is not installed: pip install "lightsearch[bench]"')
    except FileNotFoundError as error:
        sys.exit(f"{error.filename}: no such file")
    tasks = given.tasks.split(",") if given.tasks else list(problem.scales)
    if unknown := [task for task in tasks if task not in problem.scales]:
        sys.exit(f"--tasks {','.join(unknown)}: not in the reference; it has {', '.join(problem.scales)}")
    try:
        study_of(problem, 0, options.overrides)
    except UserError as error:
        sys.exit(str(error))
    methods = available(list(METHODS) if "all" in given.method else given.method)
    counts = sorted({1, given.workers})
    runs = [
        Run(method, task, seed, workers)
        for method in methods
        for workers in counts
        for seed in range(given.seeds)
        for task in tasks
    ]
    found = run_all(options, runs, given.processes, lambda line: print(line, file=sys.stderr, flush=True))
    of = {
        (method, workers): [found[one] for one in runs if (one.method, one.workers) == (method, workers)]
        for method in methods
        for workers in counts
    }
    summaries = {method: summarise(of[method, given.workers], problem.epochs, budgets) for method in methods}
    print(table_of(summaries, budgets))
    if given.workers > 1:
        ratios = {
            method: slowdowns(of[method, 1], of[method, given.workers], problem.epochs, budgets) for method in methods
        }
        print(table_of_slowdowns(given.workers, ratios, budgets))
    if given.json:
        of_tasks = {
            method: {task: summarise(those, problem.epochs, budgets).mean for task, those in by_task.items()}
            for method in methods
            for by_task in [_by_task(found, method, given.workers)]
        }
        write_json(given.json, summaries, budgets, of_tasks)


def _by_task(found: Mapping[Run, Regrets], method: str, workers: int) -> dict[str, list[Regrets]]:
    """The searches of a method, by task."""
    searches: dict[str, list[Regrets]] = {}
    for one, regret in found.items():
        if (one.method, one.workers) == (method, workers):
            searches.setdefault(one.task, []).append(regret)
    return searches


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--surrogate", type=Path, help="folder of LCBench's surrogate")
    source.add_argument("--table", type=Path, help="a table of learning curves; its seeds are the tasks")
    parser.add_argument("--metric", choices=["val_acc", "val_loss"], default="val_acc", help="of the table")
    parser.add_argument("--reference", type=Path, help="the tasks' median and highest accuracies (JSON)")
    parser.add_argument("--tasks", help="separated by commas; otherwise all of the reference")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--trainings", type=int, choices=BUDGETS, default=max(BUDGETS), help="full trainings of a search"
    )
    parser.add_argument("--prior", type=float, metavar="PERCENTILE", help="the quality of a guess, from 0 to 100")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--method", nargs="+", default=["default"], choices=[*METHODS, "all"], metavar="NAME")
    parser.add_argument("--json", type=Path, help="receives means and standard errors")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--clock", choices=["epochs", "seconds"], default="epochs", help="the duration of an epoch")
    parser.add_argument("--patience", type=int, help="of early stopping in `default`; otherwise the project's")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the study of `default`")
    return parser


def available(names: list[str]) -> list[str]:
    """The methods whose packages are installed; the others are named."""
    for name in names:
        if absent := missing(name):
            print(f"{name}: skipped, {absent} is not installed", file=sys.stderr)
    return [name for name in names if not missing(name)]


if __name__ == "__main__":
    main()
