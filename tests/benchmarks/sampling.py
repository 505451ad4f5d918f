"""Does training in packs cost a search anything? Best values after N trials, one by one and in packs, over seeds.

    python -m tests.benchmarks.sampling [--study digits] [--n-trials 40] [--seeds 5] [--pack 8]
        [--data-dir DIR] [--set ...]

In packs more trials run at the same time, so the sampler and the pruner know fewer results when a trial starts. Each
seed splits the data differently; both searches of a seed have the same split.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.throughput import ROOT, timed


def best(study: str, seed: int, pack: str, target: float, options: list[str]) -> tuple[float, float, float | None]:
    """The best value, the seconds, and the seconds until the target was reached for the first time."""
    words = [sys.executable, "-m", "search.run", "--study", str(ROOT / "studies" / f"{study}.toml")]
    with tempfile.TemporaryDirectory() as folder:
        seconds, _ = timed([*words, "--seed", str(seed), "--pack", pack, *options], folder)
        results = json.loads((Path(folder) / "studies" / study / "results.json").read_text())
        import optuna

        found = optuna.load_study(storage=f"sqlite:///{folder}/studies/studies.db", study_name=study)
        began = results["runs"][0]["started"]
        reached = [
            trial.datetime_complete.timestamp() - began
            for trial in found.trials
            if trial.datetime_complete is not None and trial.value is not None and trial.value >= target
        ]
    return results["best"]["value"], seconds, min(reached, default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="digits")
    parser.add_argument("--n-trials", default="40")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pack", default="8")
    parser.add_argument("--target", type=float, default=0.98)
    parser.add_argument("--data-dir")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    options = ["--n-trials", given.n_trials, *(word for one in given.set for word in ("--set", one))]
    options += ["--data-dir", str(Path(given.data_dir).absolute())] if given.data_dir else []
    gaps = []
    for seed in range(given.seeds):
        values = {}
        for pack in ("off", given.pack):
            values[pack], seconds, reached = best(given.study, seed, pack, given.target, options)
            at = "never" if reached is None else f"after {reached:.0f} s"
            print(
                f"seed {seed}, pack {pack:>3}: best {values[pack]:.5f}, {seconds:.0f} s, {given.target} {at}",
                flush=True,
            )
        gaps.append(values[given.pack] - values["off"])
    error = statistics.stdev(gaps) / len(gaps) ** 0.5
    print(f"packs minus one by one: {statistics.mean(gaps):+.5f} +- {error:.5f} (standard error)")


if __name__ == "__main__":
    main()
