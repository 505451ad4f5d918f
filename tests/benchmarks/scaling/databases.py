"""Databases with a study of a given size."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState, create_trial

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.machine.owner import this_process
from lightsearch.outcome import Kind, Outcome
from lightsearch.storage.locks import lock_engine
from lightsearch.storage.opening import open_storage
from lightsearch.study.trial_queue import TrialQueue
from tests import postgresql

ROOT = Path(__file__).parents[3]
EPOCHS = 10


class Databases:
    """Creates databases in a folder, or on a server if one is given."""

    def __init__(self, folder: Path, server: postgresql.Server | None = None) -> None:
        self.folder = folder
        self.server = server

    def new(self, original: str | None = None) -> str:
        """Creates an empty database, or copies one that nobody uses at the moment."""
        name = uuid.uuid4().hex
        if self.server is not None:
            return self.server.database(name, template=original and original.rpartition("/")[2])
        if original is not None:
            shutil.copy(original.removeprefix("sqlite:///"), self.folder / f"{name}.db")
        return f"sqlite:///{self.folder}/{name}.db"


def declared() -> StudyFile:
    study_file, mistakes = validate(read_declaration(ROOT / "studies" / "digits.toml", []))
    assert study_file is not None, mistakes
    return study_file


def open_queue(url: str) -> TrialQueue:
    study_file = declared()
    folder = Path(tempfile.gettempdir()) / "scaling" / url.rpartition("/")[2]  # whoever opens the database finds it
    queue = TrialQueue(study_file, open_storage(url), url, folder)
    queue.open({"data": {}, "versions": {}, "device": ""})
    return queue


def add_trials(url: str, state: TrialState, count: int) -> None:
    """Adds trials as a search leaves them; this process owns those that run."""
    queue = open_queue(url)
    rng = random.Random(0)
    asked = optuna.create_study().ask()
    declared().space.suggest(asked)
    owner = this_process().model_dump()
    for _ in range(count):
        params = {name: dist.to_external_repr(_drawn(dist, rng)) for name, dist in asked.distributions.items()}
        value = rng.random()
        attrs: dict[str, Any] = {"owner": owner, "attempt": 1, "lease": time.time() + 1e6}
        if state.is_finished():
            result = Outcome(number=0, kind=Kind.COMPLETE, value=value, epochs=EPOCHS, metrics={"val_acc": value})
            attrs |= {"kind": "complete", "result": result.model_dump(mode="json", exclude={"params", "kind"})}
        steps = EPOCHS if state.is_finished() else EPOCHS // 2
        queue.study.add_trial(
            create_trial(
                state=state,
                value=value if state.is_finished() else None,
                params=params,
                distributions=asked.distributions,
                user_attrs=attrs,
                intermediate_values={step: rng.random() for step in range(steps)},
            )
        )
    queue.storage.remove_session()
    for engine in (queue.storage.engine, lock_engine(url)):  # a database that is in use cannot be copied
        engine.dispose()


def _drawn(dist: Any, rng: Any) -> float:
    if hasattr(dist, "choices"):
        return rng.randrange(len(dist.choices))
    return (
        float(int(rng.uniform(dist.low, dist.high))) if isinstance(dist.low, int) else rng.uniform(dist.low, dist.high)
    )
