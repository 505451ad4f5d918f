"""Which scheduler a study has, and why a study can have none."""

from __future__ import annotations

from lightsearch.declare.sections import SchedulerSpec
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake

NO_SCHEDULER = SchedulerSpec(name="none")

MIN_EPOCHS = 3
"""In a shorter training there is nothing to decide."""


def scheduler_of(study_file: StudyFile) -> SchedulerSpec:
    """The scheduler that a study declares, or its default.

    The default is ``freeze_thaw``. It is ``none`` where trials cannot pause, and where the study file names a sampler
    or a pruner of Optuna: then the study is searched as Optuna does.
    """
    if study_file.scheduler is not None:
        return study_file.scheduler
    if {"sampler", "pruner"} & study_file.model_fields_set or cannot_pause(study_file) is not None:
        return NO_SCHEDULER
    return SchedulerSpec(name="freeze_thaw")


def proposes_parameters(study_file: StudyFile) -> bool:
    """Whether the study's scheduler proposes the parameters of trials; otherwise its sampler does."""
    return scheduler_of(study_file).name == "freeze_thaw" and "sampler" not in study_file.model_fields_set


def cannot_pause(study_file: StudyFile) -> str | None:
    """Why trials of a study cannot pause; None: they can."""
    trainer, space = study_file.trainer, study_file.space
    interval = trainer.keywords.get("val_check_interval")
    if study_file.objective is not None:
        return "the trials of a function have no checkpoints to continue from"
    if study_file.config is not None:
        return "LightningCLI sets the epochs"
    if study_file.multi_objective:
        return "it compares by one objective, and this study has several"
    if study_file.constraints.model_dump(exclude_none=True):
        return "it knows nothing of [constraints]"
    if sampled := {"max_epochs", "devices", "val_check_interval", "check_val_every_n_epoch"} & space.trainer.keys():
        return f"trials differ in {min(sampled)}"
    if type(interval) is int or interval not in (None, 1.0):
        return "it counts epochs, and val_check_interval validates within them"
    if trainer.max_epochs < MIN_EPOCHS:
        return f"max_epochs = {trainer.max_epochs} leaves nothing to decide; write {MIN_EPOCHS} or more"
    return None


def check_scheduler(study_file: StudyFile) -> list[Mistake]:
    """What is wrong with a declared scheduler."""
    spec = study_file.scheduler
    if spec is None or spec.name == "none":
        return []
    if (reason := cannot_pause(study_file)) is not None:
        return [Mistake("scheduler.name", spec.name, f'{reason}; write "none", or leave [scheduler] out')]
    if "pruner" in study_file.model_fields_set:
        hint = f'has no effect: {spec.name} pauses trials instead; leave [pruner] out, or write scheduler.name = "none"'
        return [Mistake("pruner.name", study_file.pruner.name, hint)]
    if spec.name == "freeze_thaw":
        odd, hint = spec.model_fields_set - {"name"}, "is of asha and hyperband; leave it out"
        return [Mistake(f"scheduler.{name}", getattr(spec, name), hint) for name in sorted(odd)]
    if spec.min_epochs >= study_file.trainer.max_epochs:
        hint = f"leaves one rung; write less than trainer.max_epochs = {study_file.trainer.max_epochs}"
        return [Mistake("scheduler.min_epochs", spec.min_epochs, hint)]
    return []
