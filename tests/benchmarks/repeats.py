"""Does ``[validation] seeds = 3`` find better configurations at equal epochs? Random search on recorded curves.

    python -m tests.benchmarks.repeats --curves /tmp/curves.parquet

Records 96 random configurations of the digits study (batch size 128) with 6 seeds, 10 epochs each, unless the file is
there: seven minutes on 2 busy cores. Then random searches with one seed, and with three seeds with and without the
race, draw configurations in random orders until a budget is spent. What a search has chosen is measured on the seeds
that none of the searches has seen. Errors are standard errors over the orders; there is one set of curves.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
import pandas as pd
import torch
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.declare.sections import ValidationSpec
from lightsearch.study.racing import RUNS, is_worth_another, runs_attribute
from tests.benchmarks.search_efficiency import record_table
from tests.conftest import digits

CONFIGURATIONS, SEEDS, EPOCHS, BLOCK = 96, 6, 10, 48
BUDGETS = (12, 24, 48, 96)
"""In trainings of all epochs."""
SPEC = ValidationSpec(seeds=3)


class Method(NamedTuple):
    """A random search."""

    name: str
    runs: int
    """Trainings of a complete trial."""
    races: bool


METHODS = (Method("1 seed", 1, False), Method("3 seeds, race", 3, True), Method("3 seeds, all", 3, False))


def record(file: Path) -> None:
    """Trains all curves, and writes them to a Parquet file."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    record_table.EPOCHS = EPOCHS
    study_file = digits(
        *(f"trainer.max_epochs={EPOCHS}", "trainer.patience=0", 'trainer.accelerator="cpu"'),
        *("space.data.batch_size={choice=[128]}", "space.model.learning_rate={float=[1e-3,1e-1],log=true}"),
    )
    record_table.record(file, record_table.blocks(study_file, CONFIGURATIONS, SEEDS, BLOCK))


def search(method: Method, values: np.ndarray, order: np.ndarray, budget: int) -> int:
    """The configuration that a search chooses.

    Args:
        method: How it searches.
        values: (configurations, seeds) The best epoch's metric of each training.
        order: The configurations in the order in which they are drawn.
        budget: Trainings.
    """
    trials: list[FrozenTrial] = []
    best, chosen = -math.inf, -1
    for number in order:
        found: list[float] = []
        while len(found) < method.runs and budget > 0:
            if found and method.races and not is_worth_another(found, trials, SPEC, "maximize"):
                break
            found.append(float(values[number, len(found)]))
            budget -= 1
        complete = len(found) == method.runs
        if complete and float(np.mean(found)) > best:
            best, chosen = float(np.mean(found)), int(number)
        state, value = (TrialState.COMPLETE, float(np.mean(found))) if complete else (TrialState.PRUNED, None)
        trials.append(create_trial(state=state, value=value, user_attrs={RUNS: runs_attribute(found, 0)}))
        if budget == 0:
            return chosen
    return chosen


def compare(values: np.ndarray, repetitions: int) -> pd.DataFrame:
    """What each method chooses, measured on fresh seeds, and its difference from the first method.

    Args:
        values: (configurations, seeds) The best epoch's metric of each training.
        repetitions: Random orders of the configurations and of the seeds.
    """
    rng, rows = np.random.default_rng(0), []
    for budget in BUDGETS:
        fresh: dict[str, list[float]] = {method.name: [] for method in METHODS}
        for _ in range(repetitions):
            order, shuffled = rng.permutation(len(values)), values[:, rng.permutation(values.shape[1])]
            for method in METHODS:
                chosen = search(method, shuffled, order, budget)
                fresh[method.name].append(float(shuffled[chosen, SPEC.runs :].mean()))
        for name, found in fresh.items():
            apart = np.array(found) - np.array(fresh[METHODS[0].name])
            error = apart.std(ddof=1) / math.sqrt(repetitions)
            rows.append({"trainings": budget, "method": name, "fresh value": np.mean(found),
                         "minus 1 seed": apart.mean(), "+-": error})  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, required=True)
    parser.add_argument("--repetitions", type=int, default=300)
    given = parser.parse_args()
    if not given.curves.exists():
        record(given.curves)
    curves = pd.read_parquet(given.curves)
    values = curves.groupby(["configuration", "seed"])["val_acc"].max().unstack().to_numpy(dtype=float)
    print(compare(values, given.repetitions).to_string(index=False, float_format="{:.5f}".format))


if __name__ == "__main__":
    main()
