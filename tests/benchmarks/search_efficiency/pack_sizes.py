"""What a search finds in a time with packs of several sizes: they train more epochs, and know less when they decide.

    python -m tests.benchmarks.search_efficiency.pack_sizes (--surrogate DIR | --table FILE [--metric val_loss])
        --speedup 2 [--packs 1 2 4 8] [--workers 2] [--trials 50] [--seeds 1] [--processes P]

The default search, with simulated workers that train in rounds, as those of packs do: every member trains an epoch, and
then those that pause or end are replaced. A round of ``m`` members takes ``1 - b + b * m`` epochs of a trial alone,
with ``b`` such that packs of 8 are ``--speedup`` times as fast as one by one. Printed are the regrets (those of
``search_efficiency``) after the time of 1, 2.5, 5 and 10 whole trainings of a trial alone, and at the end of the
search; the time that it takes is printed last.
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
from tests.benchmarks.search_efficiency.clock import Search
from tests.benchmarks.search_efficiency.problem import Objective, Scale, Trajectory, study_of
from tests.benchmarks.search_efficiency.runs import THREADS, Options, prepare

TIMES = (1.0, 2.5, 5.0, 10.0)
LARGEST = 8
"""The size of the packs that a speedup is of."""


class Found(NamedTuple):
    """The best value so far, and the time when it was found, in epochs of a trial alone."""

    time: float
    value: float


def in_rounds(search: Search, objective: Objective, workers: int, size: int, share: float) -> list[Found]:
    """Runs a search until it ends by itself.

    Args:
        search: The search method.
        objective: Trains a configuration.
        workers: The number of packs.
        size: Their members at most.
        share: What a further member adds to the time of an epoch.
    """
    trainings: dict[int, Trajectory] = {}
    trained: dict[int, int] = {}
    packs: list[list[int]] = [[] for _ in range(workers)]
    times = [0.0] * workers
    found = [Found(0.0, -math.inf)]

    def end_of_round(worker: int) -> float:
        return times[worker] + 1 - share + share * len(packs[worker]) if packs[worker] else math.inf

    between = list(range(workers))  # rounds: they take new members
    while True:
        for worker in between:
            times[worker] = max(times[worker], found[-1].time)
            while len(packs[worker]) < size and (assigned := search.ask()) is not None:
                if assigned.number not in trainings:
                    trainings[assigned.number], trained[assigned.number] = objective(assigned.params), 0
                packs[worker].append(assigned.number)
        if not any(packs):
            return found
        worker = min(range(workers), key=end_of_round)
        times[worker] = end_of_round(worker)
        for number in list(packs[worker]):
            trained[number] += 1
            value = float(trainings[number].values[trained[number] - 1])
            found.append(Found(times[worker], max(value, found[-1].value)))
            if not search.report(number, trained[number], value):
                packs[worker].remove(number)
        between = [worker, *(other for other in range(workers) if other != worker and not packs[other])]


def regrets(
    options: Options, n_trials: int, workers: int, size: int, share: float, one: tuple[str, int]
) -> list[float]:
    """The regrets of a search of a task with a seed, at the times and at its end; then its time."""
    from tests.benchmarks.search_efficiency.methods import default
    from tests.benchmarks.search_efficiency.setup import Setup

    prepare()
    task, seed = one
    problem = options.problem()
    study_file = study_of(problem, trial_seed(seed, sorted(problem.scales).index(task)))
    search = default(Setup(study_file, n_trials=n_trials))
    found, scale = in_rounds(search, problem.objective(task), workers, size, share), problem.scales[task]
    at = [[one.value for one in found if one.time <= time * problem.epochs][-1] for time in TIMES]
    return [*(_regret(value, scale) for value in [*at, found[-1].value]), found[-1].time / problem.epochs]


def _regret(value: float, scale: Scale) -> float:
    """1, that of a median configuration, before the first epoch."""
    return 1.0 if value == -math.inf else (scale.highest - value) / (scale.highest - scale.median)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--surrogate", type=Path)
    source.add_argument("--table", type=Path)
    parser.add_argument("--metric", choices=["val_acc", "val_loss"], default="val_acc")
    parser.add_argument("--speedup", type=float, required=True, help=f"of packs of {LARGEST}, up to {LARGEST}")
    parser.add_argument("--packs", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    for name in THREADS:
        os.environ[name] = "1"  # the processes share the cores
    options = Options(given.surrogate, given.table, None, metric=given.metric)
    searches = [(task, seed) for seed in range(given.seeds) for task in sorted(options.problem().scales)]
    share = (LARGEST / given.speedup - 1) / (LARGEST - 1)
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for size in given.packs:
            run = functools.partial(regrets, options, given.trials, given.workers, size, share)
            means = [statistics.mean(column) for column in zip(*pool.map(run, searches, 1), strict=True)]
            shown = " ".join(f"{mean:.3f}" for mean in means[:-1])
            print(f"packs of {size}: {shown} after {means[-1]:.1f} ({len(searches)} searches)", flush=True)


if __name__ == "__main__":
    main()
