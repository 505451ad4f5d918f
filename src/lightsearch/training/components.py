"""Data and model of a configuration, built from the study file and sampled parameters."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import seed_everything

from lightsearch.compat.lightning_cli import Capture
from lightsearch.compat.lightning_package import package_of_model
from lightsearch.data.one_split import drawn_from, split_from
from lightsearch.data.prepare import one_at_a_time
from lightsearch.declare.arguments import data_context, model_context, with_context, with_sampled
from lightsearch.declare.classes import find_class
from lightsearch.declare.nested import sampled_objects, with_objects
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import UserError
from lightsearch.training.callbacks import build_callbacks
from lightsearch.training.lightning_cli import build_config
from lightsearch.training.warm_start import WarmStart

BuildData = Callable[[StudyFile, dict[str, Any], str | None], Any]
"""Builds data from the study file, the sampled arguments and the folder of the data files; see ``build_data``."""


@dataclass(frozen=True)
class Components:
    """What a fit needs of a configuration."""

    model: Any
    """The LightningModule."""
    data: Any
    """The LightningDataModule, not set up yet; the model itself if it has loaders of its own."""
    seed: int
    """The random numbers of every epoch follow from it and the epoch's number."""
    trainer_keywords: dict[str, Any]
    """Keyword arguments of the Trainer: declared and sampled."""
    model_arguments: dict[str, Any] = field(default_factory=dict)
    """The model's constructor arguments."""
    callbacks: list[Any] = field(default_factory=list)
    """The user's Lightning callbacks, new ones for this fit, after a ``WarmStart`` if the study has an ``init_from``.
    The other callbacks of lightsearch are always beside them."""


def build(
    study_file: StudyFile,
    params: dict[str, Any],
    data_dir: str | None,
    *,
    seed: int,
    join_val: bool = False,
    make_data: BuildData | None = None,
    with_callbacks: bool = True,
) -> Components:
    """Seeds everything, builds the data, then the model: so begins every trial, retraining, dry run and calibration.

    Args:
        study_file: The declared study.
        params: The sampled parameters.
        data_dir: Folder of the data files.
        seed: The model's first weights follow from it.
        join_val: Whether to train on the validation samples as well; the data has a method ``join_val`` then.
        make_data: Builds the data in place of ``build_data``.
        with_callbacks: Whether it will be trained: otherwise it needs no callbacks.
    """
    sampled = study_file.space.split(params)
    keywords = {**study_file.trainer.keywords, **sampled["trainer"]}
    seed_everything(seed, workers=True, verbose=False)
    callbacks: list[Any] = [WarmStart(study_file.init_from)] if study_file.init_from is not None else []
    data: Any
    if study_file.config is not None:
        found = _from_config(study_file, sampled["config"], keywords, seed, silent=not with_callbacks)
        model, data, given = found.model, found.data, found.model_arguments
        callbacks += found.callbacks
        keywords |= found.trainer_keywords
    else:
        data = (make_data or build_data)(study_file, sampled["data"], data_dir)
        given = model_arguments(study_file, sampled["model"], data)
        model = find_class(study_file.model, "model")(**given)
    if data is None:
        data = one_at_a_time(split_from(study_file.seed, model))
    if join_val:
        data.join_val()
    callbacks += build_callbacks(study_file, sampled["callbacks"], package_of_model(model)) if with_callbacks else []
    return Components(model, data, seed, keywords, given, callbacks if with_callbacks else [])


def build_data(study_file: StudyFile, sampled: dict[str, Any], data_dir: str | None) -> pl.LightningDataModule | None:
    """The study's data with a trial's sampled arguments; its split follows from the study's seed.

    None if the model has loaders of its own.
    """
    if study_file.data is None:
        return None
    cls = find_class(study_file.data, "data")
    with drawn_from(study_file.seed):
        given = with_sampled(study_file.data.init_args, sampled)
        data = instantiate(cls, given, data_context(study_file.seed, data_dir, study_file.folds))
    prepared: pl.LightningDataModule = split_from(study_file.seed, data)
    return prepared


def _from_config(
    study_file: StudyFile, sampled: dict[str, Any], keywords: dict[str, Any], seed: int, *, silent: bool
) -> Capture:
    """What the project's LightningCLI builds; the split of its data follows from the study's seed."""
    assert study_file.config is not None
    found = build_config(study_file.config, sampled, keywords, seed=seed, study_seed=study_file.seed, silent=silent)
    if found.data is not None:
        found.data = one_at_a_time(split_from(study_file.seed, found.data))
    return found


def build_model(study_file: StudyFile, sampled: dict[str, Any], data: object) -> pl.LightningModule:
    """The study's model with a trial's sampled arguments, and those that its data provides."""
    model: pl.LightningModule = find_class(study_file.model, "model")(**model_arguments(study_file, sampled, data))
    return model


def model_arguments(study_file: StudyFile, sampled: dict[str, Any], data: object) -> dict[str, Any]:
    """The constructor arguments of the study's model: declared, sampled, and provided by the data."""
    cls = find_class(study_file.model, "model")
    given = with_sampled(study_file.model.init_args, sampled)
    return with_objects(cls, with_context(cls, given, model_context(data)), "model")


def prepare_data(study_file: StudyFile, data_dir: str | None) -> None:
    """Calls ``prepare_data`` of the study's data, so that no trial's time is spent on a download.

    If the class needs an argument that is sampled, the first trial does it.
    """
    if study_file.config is not None:
        with contextlib.suppress(UserError):  # a key may have no value unless it is sampled
            found = _from_config(study_file, {}, study_file.trainer.keywords, study_file.seed, silent=True)
            if found.data is not None:
                found.data.prepare_data()
        return
    if study_file.data is None:
        return
    cls = find_class(study_file.data, "data")
    given = with_context(cls, study_file.data.init_args, data_context(study_file.seed, data_dir, study_file.folds))
    try:
        inspect.signature(cls).bind(**given)
    except TypeError:
        return
    if not sampled_objects(study_file.data.init_args, study_file.space.data):
        instantiate(cls, given, {}).prepare_data()


def instantiate(cls: type, given: dict[str, Any], context: dict[str, Any], section: str = "data") -> Any:
    """Builds ``cls`` from its arguments and those of the context.

    The ``prepare_data`` of the object, if it has one, runs in one process of a machine at a time.
    """
    return one_at_a_time(cls(**with_objects(cls, with_context(cls, given, context), section)))
