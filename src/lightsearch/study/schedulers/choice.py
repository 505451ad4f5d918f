"""The scheduler that a study declares."""

from __future__ import annotations

from collections.abc import Sequence

from lightsearch.declare.scheduling import mutated, proposes_parameters, scheduler_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.study.schedulers import Scheduler
from lightsearch.study.schedulers.beliefs import Beliefs, Centre


def make_scheduler(study_file: StudyFile, centres: Sequence[Centre] = ()) -> Scheduler | None:
    """The study's scheduler. The models are imported where they are needed.

    Args:
        study_file: The study file.
        centres: Configurations that are believed to be good, for a scheduler that proposes parameters.

    Returns:
        The scheduler; None: every trial trains until it ends.
    """
    spec, max_epochs, direction = scheduler_of(study_file), study_file.trainer.max_epochs, study_file.direction
    if spec.name == "none":
        return None
    if spec.name == "freeze_thaw":
        from lightsearch.study.schedulers.freeze_thaw import FreezeThaw

        beliefs = Beliefs(study_file.space, centres, direction)
        proposes = proposes_parameters(study_file)
        return FreezeThaw(study_file.space, max_epochs, direction, study_file.seed, beliefs, proposes=proposes)
    if spec.name == "pbt":
        from lightsearch.study.schedulers.pbt import PopulationBased

        return PopulationBased(
            study_file.space,
            max_epochs,
            direction,
            study_file.seed,
            population=spec.population,
            interval=spec.interval,
            quantile=spec.quantile,
            mutate=mutated(study_file),
            resample=spec.resample,
        )
    from lightsearch.study.schedulers.promotion import Asha, Hyperband

    build = Asha if spec.name == "asha" else Hyperband
    return build(max_epochs, direction, min_epochs=spec.min_epochs, reduction_factor=spec.reduction_factor)
