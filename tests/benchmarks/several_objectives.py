"""What does pruning with several objectives save and cost? Epochs and hypervolume with and without it, over seeds.

    python -m tests.benchmarks.several_objectives [--second parameters] [--n-trials 40] [--seeds 5] [--margin 0.2]
        [--stored DIR] [--set ...]

Each seed splits the digits differently, and both searches of a seed have the same split. The hypervolume is that of the
complete trials' front for the logarithms of the error and of the second objective, in a box from their best values in
both searches to the worst of the search without pruning, so that it is at most 1.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from tests.benchmarks.throughput import ROOT, timed

Costs = tuple[float, float]


class Searched(NamedTuple):
    """The finished trials of a search, in their order."""

    epochs: list[int]
    costs: list[Costs | None]
    """None for a pruned trial."""
    best: float

    def until(self, epochs: int) -> list[Costs]:
        """The complete trials that ended within a number of epochs of the whole search."""
        spent, found = 0, []
        for these, costs in zip(self.epochs, self.costs, strict=True):
            spent += these
            if spent <= epochs and costs is not None:
                found.append(costs)
        return found


def search(folder: Path, seed: int, pruner: str, options: list[str]) -> Searched:
    """Searches on the digits, or reads a search that was made before."""
    folder.mkdir(parents=True, exist_ok=True)
    study = ["--study", str(ROOT / "studies" / "digits.toml"), "--seed", str(seed), "--workers", "1", "--pack", "off"]
    timed([sys.executable, "-m", "search.run", *study, "--set", f"pruner={pruner}", *options], str(folder))
    trials = optuna.load_study(storage=f"sqlite:///{folder}/studies/studies.db", study_name="digits").trials
    finished = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    return Searched(
        [trial.user_attrs["result"]["epochs"] for trial in finished],
        [(math.log(1.001 - one.values[0]), math.log(one.values[1])) if one.values else None for one in finished],
        max(trial.values[0] for trial in finished if trial.values),
    )


def hypervolume(points: list[Costs], best: Costs, worst: Costs) -> float:
    """The share of the box from the best to the worst costs that the points dominate."""
    (left, low), (right, high) = best, worst
    volume, top = 0.0, high
    for first, second in sorted(points):
        if first < right and second < top:
            volume += (right - first) * (top - second)
            top = second
    return volume / ((right - left) * (high - low))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--second", default="parameters", choices=["parameters", "val_loss"])
    parser.add_argument("--n-trials", default="40")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--margin", default="0.2")
    parser.add_argument("--stored", type=Path, help="folder of the searches; finished ones are not repeated")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    overrides = [f'metric=["val_acc", "{given.second}"]', 'direction=["maximize", "minimize"]', *given.set]
    options = ["--n-trials", given.n_trials, *(word for one in overrides for word in ("--set", one))]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        place = given.stored or Path(temporary)
        for seed in range(given.seeds):
            folder = place / f"{given.second}-{seed}"
            own = f"{{name='DominatedPruner', init_args={{margin={given.margin}}}}}"
            without = search(folder / "without", seed, "{name='NopPruner'}", options)
            rows.append(compared(seed, without, search(folder / "with", seed, own, options)))
    for name, column in zip(("epochs", "hypervolume", "at equal epochs"), zip(*rows, strict=True), strict=True):
        error = statistics.stdev(column) / math.sqrt(len(column)) if len(column) > 1 else math.nan
        print(f"{name}: {statistics.mean(column):.3f} ± {error:.3f} of the search without pruning")


def compared(seed: int, without: Searched, pruned: Searched) -> tuple[float, float, float]:
    """Epochs, hypervolume, and hypervolume at equal epochs, each as a share of that of the search without pruning."""
    whole, ours = without.until(sum(without.epochs)), pruned.until(sum(pruned.epochs))
    equal = without.until(sum(pruned.epochs))
    best = min(costs[0] for costs in whole + ours), min(costs[1] for costs in whole + ours)
    worst = max(costs[0] for costs in whole), max(costs[1] for costs in whole)
    volumes = [hypervolume(points, best, worst) for points in (whole, ours, equal)]
    print(
        f"seed {seed}: epochs {sum(without.epochs)} and {sum(pruned.epochs)}, {pruned.costs.count(None)} pruned, "
        f"hypervolume {volumes[0]:.4f} and {volumes[1]:.4f}, without pruning after as many epochs {volumes[2]:.4f}, "
        f"best accuracy {without.best:.4f} and {pruned.best:.4f}",
        flush=True,
    )
    return sum(pruned.epochs) / sum(without.epochs), volumes[1] / volumes[0], volumes[1] / volumes[2]


if __name__ == "__main__":
    main()
