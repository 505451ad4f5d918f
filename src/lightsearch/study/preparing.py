"""What a coordinator can prepare while it waits for the fork server."""

from __future__ import annotations

from lightsearch.declare.study_file import StudyFile
from lightsearch.storage import opening
from lightsearch.study.schedulers.choice import make_scheduler


def prepare_for(study_file: StudyFile) -> None:
    """Imports and sets up what opening a study and asking for trials needs. Nothing of it is kept or written.

    Args:
        study_file: The study file.
    """
    opening.preload()
    make_scheduler(study_file)
