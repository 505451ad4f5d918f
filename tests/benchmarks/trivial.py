"""A trial that trains nothing. It has its own file: a worker process finds functions by their import path."""

from __future__ import annotations

import time
from typing import Any

from lightsearch.atomic_files import write_json
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.worker_trial import attach_trial


def trivial_trial(**arguments: Any) -> None:
    """Reports two epochs, and writes a result as a trial does."""
    began = time.perf_counter()
    trial, newest_attempt = attach_trial(
        arguments["study_file"], arguments["storage_url"], arguments["trial_id"], arguments["history"]
    )
    value = float(trial.number * 37 % 101) / 101
    for epoch in range(2):
        newest_attempt()
        trial.report(value, epoch)
        trial.should_prune()
    seconds = time.perf_counter() - began
    outcome = Outcome(
        number=trial.number, kind=Kind.COMPLETE, value=value, attempt=arguments["attempt"], epochs=2, seconds=seconds
    )
    write_json(arguments["folder"] / "result.json", outcome.model_dump(mode="json"))
