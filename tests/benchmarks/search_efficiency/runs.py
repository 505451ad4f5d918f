"""Simulated searches, one for every method, task and seed, in several processes."""

from __future__ import annotations

import functools
import logging
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from optuna.samplers._tpe import _truncnorm
from scipy.special import log_ndtr

from lightsearch.study.samplers import trial_seed
from tests.benchmarks.search_efficiency.accounting import BUDGETS, Regrets, regrets
from tests.benchmarks.search_efficiency.clock import simulate
from tests.benchmarks.search_efficiency.priors import prior_of
from tests.benchmarks.search_efficiency.problem import Problem, study_of

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Options:
    """What all runs have in common."""

    surrogate: Path | None
    """Folder of the surrogate."""
    table: Path | None
    """The table, if there is no surrogate."""
    reference: Path | None
    """The file of scales; None: the problem's own."""
    timed: bool = False
    """Whether an epoch takes its own time."""
    patience: int | None = None
    """That of ``default``; None: the project's."""
    overrides: tuple[str, ...] = ()
    """``key=value`` of the study file of ``default``."""
    metric: str = "val_acc"
    """The table's column."""
    trainings: int = max(BUDGETS)
    """Full trainings that a search may take."""
    prior: float | None = None
    """The percentile of the guess that ``default`` begins with; None: it has none."""

    def problem(self) -> Problem:
        """Opens the surrogate or the table, once in a process."""
        return _problem(self.surrogate, self.table, self.reference, self.metric)


class Run(NamedTuple):
    """One search."""

    method: str
    task: str
    seed: int
    workers: int


def run(options: Options, one: Run) -> Regrets:
    """The regret of a search after each epoch."""
    from tests.benchmarks.search_efficiency.methods import METHODS
    from tests.benchmarks.search_efficiency.setup import Setup

    prepare()
    problem = options.problem()
    task = sorted(problem.scales).index(one.task)
    overrides = options.overrides if one.method == "default" else ()
    # Every task has its own random numbers: with equal ones the first configurations would be lucky on all or on none.
    prior = prior_of(problem, one.task, options.prior) if one.method == "default" and options.prior is not None else {}
    study_file = study_of(problem, trial_seed(one.seed, task), overrides, prior)
    budget = options.trainings * problem.epochs
    known = simulate(
        METHODS[one.method](Setup(study_file, options.patience)),
        problem.objective(one.task),
        workers=one.workers,
        max_epochs=problem.epochs,
        budget=budget,
        timed=options.timed,
    )
    return regrets(known, problem.scales[one.task], budget)


def run_all(options: Options, runs: Sequence[Run], processes: int, say: Callable[[str], None]) -> dict[Run, Regrets]:
    """Runs all searches, and says about every ten seconds how far it is.

    Args:
        options: What they have in common.
        runs: The searches.
        processes: The number of searches at the same time.
        say: Receives lines of progress.
    """
    for name in THREADS:
        os.environ[name] = "1"  # the processes share the cores
    done: dict[Run, Regrets] = {}
    began = said = time.monotonic()
    for one, found in _results(options, runs, processes):
        done[one] = found
        now = time.monotonic()
        if now - said > 10 or len(done) == len(runs):
            said = now
            left = (now - began) / len(done) * (len(runs) - len(done))
            say(f"{len(done)}/{len(runs)} searches ({one.method}), {now - began:.0f} s, {left:.0f} s to go")
    return done


def _results(options: Options, runs: Sequence[Run], processes: int) -> Iterator[tuple[Run, Regrets]]:
    search = functools.partial(_run_with_name, options)
    if processes == 1:
        yield from map(search, runs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(search, runs)


def _run_with_name(options: Options, one: Run) -> tuple[Run, Regrets]:
    return one, run(options, one).astype(np.float32)


@functools.cache
def _problem(surrogate: Path | None, table: Path | None, reference: Path | None, metric: str) -> Problem:
    if surrogate is not None:
        from tests.benchmarks.search_efficiency.surrogate import Surrogate

        return Surrogate(surrogate, reference or surrogate / "reference.json")
    from tests.benchmarks.search_efficiency.table import Table

    assert table is not None
    return Table(table, metric)


def prepare() -> None:
    """Makes this process quiet, and Optuna's TPE twice as fast with the same results.

    Optuna computes the logarithm of the normal distribution in a loop of Python, which SciPy has as one function.
    """
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    _truncnorm._log_ndtr = log_ndtr
