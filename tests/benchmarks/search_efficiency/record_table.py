"""Records a table of real learning curves: lightsearch's own ``Classifier`` on the embedded digits data.

    python -m tests.benchmarks.search_efficiency.record_table --out tests/benchmarks/search_efficiency/digits.parquet

Random configurations of the space of ``declare/digits.toml`` train 30 epochs each, in packs, without pruning, early
stopping and checkpoints. All seeds train the same configurations. One row per configuration, seed and epoch.

The members of a pack share the order of their batches; two seeds of a configuration are never in one pack. Seeds are
recorded one after the other, and configurations in their order, so that what is there at any time is a random sample.
Every block of configurations is kept in OUT.parts until all are there: the same command again continues.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import torch

from lightsearch.atomic_files import write_bytes
from lightsearch.declare.reading import read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.packs.host import Host
from lightsearch.study.samplers import trial_seed
from lightsearch.training import components
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.plan import WithValidation
from lightsearch.training.trial import PackContext

EPOCHS = 30
PARTS_SUFFIX = ".parts"
COLUMNS = {
    "configuration": "int16",
    "seed": "int8",
    "hidden_size": "int16",
    "learning_rate": "float32",
    "batch_size": "int16",
    "epoch": "int8",
    "val_acc": "float32",
    "val_loss": "float32",
}
"""The table's columns. Epochs count from 1; ``seed`` counts from 0."""


class WithoutCheckpoints(WithValidation):
    """A fit whose weights nobody needs."""

    def checkpoints(self, lightning: Any, folder: Path, keywords: dict[str, Any]) -> Iterator[Any]:
        yield from ()


@dataclass(frozen=True)
class Block:
    """Configurations that train at the same time, with one seed: a pack for every batch size."""

    study_file: StudyFile
    configurations: dict[int, dict[str, Any]]
    """Parameters, by the number of the configuration."""
    seed: int
    count: int
    """The number of configurations of the whole table: trials of the seed n begin at n x ``count``."""

    @property
    def file_name(self) -> str:
        return f"seed-{self.seed}-from-{min(self.configurations):05d}.parquet"

    def train(self) -> pd.DataFrame:
        """The rows of all curves."""
        host, logs = Host(), {number: EpochLog(None) for number in self.configurations}
        with tempfile.TemporaryDirectory() as folder:
            for number, params in self.configurations.items():
                run = partial(self._fit, params, number, logs[number], Path(folder))
                host.add(number, run)
            for member in host.run():
                if member.error is not None:
                    raise member.error
        rows = [
            {"configuration": number, "seed": self.seed, **params, **row, "epoch": int(row["epoch"]) + 1}
            for number, params in self.configurations.items()
            for row in logs[number].history
        ]
        return pd.DataFrame(rows)[list(COLUMNS)].astype(COLUMNS)

    def _fit(self, params: dict[str, Any], number: int, log: EpochLog, folder: Path, context: PackContext) -> None:
        seed = trial_seed(self.study_file.seed, self.seed * self.count + number)
        built = components.build(self.study_file, params, None, seed=seed, make_data=context.build_data)
        plan = WithoutCheckpoints(self.study_file.metric, self.study_file.mode)
        fit(built, plan, folder=folder, log=log, callbacks=context.callbacks)


def blocks(study_file: StudyFile, count: int, seeds: int, size: int) -> list[Block]:
    """All blocks of the table, in the order in which they are recorded."""
    drawn = configurations(study_file, count)
    return [
        Block(study_file, dict(list(enumerate(drawn))[first : first + size]), seed, count)
        for seed in range(seeds)
        for first in range(0, count, size)
    ]


def configurations(study_file: StudyFile, count: int) -> list[dict[str, Any]]:
    """Random configurations of the study's space; a longer list begins with a shorter one.

    Learning rates are rounded to float32, as the table keeps them.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(study_file.seed))
    drawn = [study_file.space.suggest(study.ask()) for _ in range(count)]
    return [{**params, "learning_rate": float(np.float32(params["learning_rate"]))} for params in drawn]


def digits_study() -> StudyFile:
    """The embedded study of the digits, without an early end."""
    path = Path(str(resources.files("lightsearch.declare") / "digits.toml"))
    overrides = [f"trainer.max_epochs={EPOCHS}", "trainer.patience=0", 'trainer.accelerator="cpu"']
    study_file, mistakes = validate(read_declaration(path, overrides))
    assert study_file is not None, mistakes
    return study_file


def record(out: Path, todo: Sequence[Block]) -> None:
    """Trains the blocks that are not there yet, then joins all."""
    parts = out.with_name(out.name + PARTS_SUFFIX)
    missing = [block for block in todo if not (parts / block.file_name).exists()]
    began = time.monotonic()
    for done, block in enumerate(missing, 1):
        table = io.BytesIO()
        block.train().to_parquet(table, index=False)
        write_bytes(parts / block.file_name, table.getvalue())
        spent = time.monotonic() - began
        left = spent / done * (len(missing) - done)
        print(f"{done}/{len(missing)} blocks, {spent:.0f} s, {left:.0f} s to go", flush=True)
    rows = pd.concat([pd.read_parquet(parts / block.file_name) for block in todo])
    rows.to_parquet(out, index=False, compression="zstd", compression_level=19)
    shutil.rmtree(parts)
    print(f"{out}: {len(rows)} rows, {out.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--configurations", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--block", type=int, default=64, help="configurations that train at the same time")
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    record(given.out, blocks(digits_study(), given.configurations, given.seeds, given.block))


if __name__ == "__main__":
    main()
