"""The scheduler that a study declares."""

from __future__ import annotations

from lightsearch.declare.scheduling import scheduler_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.study.schedulers import Scheduler


def make_scheduler(study_file: StudyFile) -> Scheduler | None:
    """The study's scheduler; None: every trial trains until it ends. The models are imported where they are needed."""
    spec, max_epochs, direction = scheduler_of(study_file), study_file.trainer.max_epochs, study_file.direction
    if spec.name == "none":
        return None
    if spec.name == "freeze_thaw":
        from lightsearch.study.schedulers.freeze_thaw import FreezeThaw

        proposes = "sampler" not in study_file.model_fields_set
        return FreezeThaw(study_file.space, max_epochs, direction, study_file.seed, proposes=proposes)
    from lightsearch.study.schedulers.promotion import Asha, Hyperband

    build = Asha if spec.name == "asha" else Hyperband
    return build(max_epochs, direction, min_epochs=spec.min_epochs, reduction_factor=spec.reduction_factor)
