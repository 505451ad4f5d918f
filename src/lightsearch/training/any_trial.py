"""What a launcher runs: one trial, of a model or of a function."""

from __future__ import annotations

from typing import Any

from lightsearch.declare.study_file import StudyFile
from lightsearch.outcome import Outcome


def run_any_trial(*, study_file: StudyFile, **arguments: Any) -> Outcome:
    """Runs a trial of a study; see ``trial.run_trial`` and ``function_trial.run_trial`` for the arguments.

    torch is imported here and not above, since the coordinator, which names this function, does not need it.
    """
    if study_file.objective is not None:
        from lightsearch.training.function_trial import run_trial as run_function_trial

        return run_function_trial(study_file, **arguments)
    from lightsearch.training.trial import run_trial

    return run_trial(study_file, **arguments)
