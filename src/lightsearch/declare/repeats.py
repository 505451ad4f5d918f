"""What is wrong with a declared ``[validation]``: a study whose trials cannot be trained more than once."""

from __future__ import annotations

from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake

FOLD_ARGUMENTS = ("fold", "folds")
"""Constructor arguments of data that can make the splits of a cross-validation."""


def check_repeats(study_file: StudyFile) -> list[Mistake]:
    """The mistakes of form. Whether the data can make folds is found out with its class, in the preflight."""
    spec = study_file.validation
    if spec is None or study_file.objective is not None:  # which is reported with the other keys of a model
        return []
    field = f"validation.{spec.noun}s"
    if study_file.multi_objective:
        hint = "the mean of a single objective is meant, and this study has several; leave [validation] out"
        return [Mistake(field, spec.runs, hint)]
    if study_file.trainer.devices > 1 or "devices" in study_file.space.trainer:
        return [Mistake(field, spec.runs, "trials on several devices train once; write trainer.devices = 1")]
    if study_file.scheduler is not None and study_file.scheduler.name == "pbt":
        hint = "a trial of a population has the weights of others, so that it cannot be trained again from its start"
        return [Mistake(field, spec.runs, f"{hint}; write another scheduler.name, or leave [validation] out")]
    return _check_folds(study_file) if spec.folds is not None else []


def _check_folds(study_file: StudyFile) -> list[Mistake]:
    folds = study_file.folds
    if study_file.data is None:
        why = "LightningCLI builds the data" if study_file.config is not None else "the model has loaders of its own"
        hint = f"{why}; write a [data] whose constructor takes fold and folds, or seeds = {folds}"
        return [Mistake("validation.folds", folds, hint)]
    hint = "is filled in for each fold of [validation]; take it out"
    given, sampled = study_file.data.init_args, study_file.space.data
    return [
        Mistake(f"{section}.{name}", values[name], hint)
        for section, values in (("data.init_args", given), ("space.data", sampled))
        for name in FOLD_ARGUMENTS
        if name in values
    ]
