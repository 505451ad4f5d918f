"""What the default search finds with a total of trials, as ``lightsearch run --n-trials 50`` has, and what it trains.

    python -m tests.benchmarks.search_efficiency.whole_searches (--surrogate DIR | --table FILE [--metric val_loss])
        [--trials 50] [--workers 1 2 16] [--seeds 1] [--processes P]

Such a search ends by itself. Regrets are those of ``search_efficiency``. Two workers with packs of 4 are 8
workers here.
"""

from __future__ import annotations

import argparse
import functools
import math
import multiprocessing
import os
import statistics
from pathlib import Path
from typing import NamedTuple

from lightsearch.study.samplers import trial_seed
from tests.benchmarks.search_efficiency.clock import simulate
from tests.benchmarks.search_efficiency.problem import study_of
from tests.benchmarks.search_efficiency.runs import THREADS, Options, prepare


class Whole(NamedTuple):
    """A search that has ended by itself."""

    regret: float
    trainings: float
    """Its epochs, in those of a whole training."""


def whole(options: Options, n_trials: int, one: tuple[str, int, int]) -> Whole:
    """A search of a task, with a seed and a number of workers."""
    from tests.benchmarks.search_efficiency.methods import default
    from tests.benchmarks.search_efficiency.setup import Setup

    prepare()
    task, seed, workers = one
    problem = options.problem()
    study_file = study_of(problem, trial_seed(seed, sorted(problem.scales).index(task)))
    known = simulate(
        default(Setup(study_file, n_trials=n_trials)),
        problem.objective(task),
        workers=workers,
        max_epochs=problem.epochs,
        budget=n_trials * problem.epochs,
    )
    scale = problem.scales[task]
    return Whole((scale.highest - max(known)) / (scale.highest - scale.median), len(known) / problem.epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--surrogate", type=Path)
    source.add_argument("--table", type=Path)
    parser.add_argument("--metric", choices=["val_acc", "val_loss"], default="val_acc")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 16])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    for name in THREADS:
        os.environ[name] = "1"  # the processes share the cores
    options = Options(given.surrogate, given.table, None, metric=given.metric)
    tasks = sorted(options.problem().scales)
    search = functools.partial(whole, options, given.trials)
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for workers in given.workers:
            found = pool.map(search, [(task, seed, workers) for seed in range(given.seeds) for task in tasks], 1)
            regrets, trainings = [one.regret for one in found], [one.trainings for one in found]
            error = statistics.stdev(regrets) / math.sqrt(len(found)) if len(found) > 1 else math.nan
            said = f"{given.trials} trials, {workers:>2} workers: regret {statistics.mean(regrets):.3f} ± {error:.3f}"
            took = f"{statistics.mean(trainings):.1f} full trainings ({len(found)} searches)"
            print(f"{said} after {took}", flush=True)


if __name__ == "__main__":
    main()
