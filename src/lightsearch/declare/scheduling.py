"""Which scheduler a study has, and why a study can have none."""

from __future__ import annotations

from lightsearch.declare.parameters import FixedParameter, ListParameter
from lightsearch.declare.scalars import FloatParameter
from lightsearch.declare.sections import SchedulerSpec
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, did_you_mean

NO_SCHEDULER = SchedulerSpec(name="none")

MIN_EPOCHS = 3
"""In a shorter training there is nothing to decide."""

RUNGS, PBT = {"min_epochs", "reduction_factor"}, {"population", "interval", "quantile", "mutate", "resample"}
"""The keys of some schedulers only."""


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


def patience_in_training(study_file: StudyFile) -> int:
    """Validations without improvement after which early stopping ends a trial while it trains; 0: it does not.

    Under ``freeze_thaw`` it does not, see ``study.stalling``; with ``[validation]`` it does, since the further runs of
    a trial begin where its first one has ended.
    """
    goes_on = scheduler_of(study_file).name == "freeze_thaw" and study_file.validation is None
    return 0 if goes_on else study_file.trainer.patience


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
    mistakes = [
        Mistake(f"scheduler.{name}", getattr(spec, name), f"is of {whose}; leave it out")
        for keys, whose, names in ((RUNGS, "asha and hyperband", ("asha", "hyperband")), (PBT, "pbt", ("pbt",)))
        if spec.name not in names
        for name in sorted(spec.model_fields_set & keys)
    ]
    if spec.name == "pbt":
        return mistakes + _check_pbt(study_file, spec)
    if spec.name != "freeze_thaw" and spec.min_epochs >= study_file.trainer.max_epochs:
        hint = f"leaves one rung; write less than trainer.max_epochs = {study_file.trainer.max_epochs}"
        mistakes.append(Mistake("scheduler.min_epochs", spec.min_epochs, hint))
    return mistakes


def mutated(study_file: StudyFile) -> list[str]:
    """The parameters that a copy changes in population based training, by their names in the study."""
    spec = scheduler_of(study_file)
    if spec.mutate is not None:
        return spec.mutate
    model = [entry for entry in study_file.space.entries if entry.section == "model"]
    return [entry.name for entry in model if isinstance(entry.parameter, FloatParameter)]


def _check_pbt(study_file: StudyFile, spec: SchedulerSpec) -> list[Mistake]:
    """What is wrong with population based training of a study."""
    mistakes, max_epochs = [], study_file.trainer.max_epochs
    if spec.interval >= max_epochs:
        hint = f"leaves no comparison; write less than trainer.max_epochs = {max_epochs}"
        mistakes.append(Mistake("scheduler.interval", spec.interval, hint))
    every = study_file.trainer.keywords.get("check_val_every_n_epoch")
    if every is not None and spec.interval % every:
        hint = (
            f"is no multiple of trainer.check_val_every_n_epoch = {every}, and trials are compared where they validate"
        )
        mistakes.append(Mistake("scheduler.interval", spec.interval, hint))
    names = mutated(study_file)
    if not names:
        hint = "[space.model] has no real number that a copy could change; name parameters that training can change"
        mistakes.append(Mistake("scheduler.mutate", None, hint))
    found = {name: _not_mutable(study_file, name) for name in names}
    return mistakes + [Mistake("scheduler.mutate", name, reason) for name, reason in found.items() if reason]


def _not_mutable(study_file: StudyFile, name: str) -> str | None:
    """Why a parameter cannot change during a training, as far as the declaration tells; None: it can."""
    entries = {entry.name: entry for entry in study_file.space.entries}
    if name not in entries:
        mutable = [one.name for one in entries.values() if one.section == "model"]
        return f"is no parameter of the space; {did_you_mean(name, mutable)}"
    entry = entries[name]
    if entry.section != "model":
        return f"is of [space.{entry.section}]; only parameters of [space.model] can change during a training"
    if isinstance(entry.parameter, ListParameter | FixedParameter):
        return "is a list or a fixed value; only a single sampled value can change during a training"
    if others := [one.name for one in entries.values() if name in (one.parameter.when or {})]:
        return f"decides whether there is {others[0]} (when), so that it cannot change during a training"
    return None
