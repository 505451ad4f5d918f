"""Data and models, built from a study file and sampled parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytorch_lightning as pl

from lightsearch.data.one_split import drawn_from, split_from
from lightsearch.data.prepare import one_at_a_time
from lightsearch.declare.arguments import data_context, model_context, with_context, with_sampled
from lightsearch.declare.classes import find_class
from lightsearch.declare.nested import sampled_objects, with_objects
from lightsearch.declare.study_file import StudyFile


def build_data(study_file: StudyFile, sampled: dict[str, Any], data_dir: str | None) -> pl.LightningDataModule:
    """The study's data with a trial's sampled arguments; its split is the study's, whoever drew it."""
    cls = find_class(study_file.data, "data")
    with drawn_from(study_file.seed):
        given = with_sampled(study_file.data.init_args, sampled)
        data = build(cls, given, data_context(study_file.seed, data_dir))
    prepared: pl.LightningDataModule = split_from(study_file.seed, data)
    return prepared


def prepare_data(study_file: StudyFile, data_dir: str | None) -> None:
    """Has the study's data prepare itself, so that no trial's time goes into a download.

    Where its class needs an argument that is sampled, the first trial does it.
    """
    if study_file.objective is not None:
        return
    cls = find_class(study_file.data, "data")
    given = with_context(cls, study_file.data.init_args, data_context(study_file.seed, data_dir))
    try:
        inspect.signature(cls).bind(**given)
    except TypeError:
        return
    if not sampled_objects(study_file.data.init_args, study_file.space.data):
        build(cls, given, {}).prepare_data()


def build_model(study_file: StudyFile, sampled: dict[str, Any], data: object) -> pl.LightningModule:
    """The study's model with a trial's sampled arguments; what it must know of the data comes from there."""
    model: pl.LightningModule = find_class(study_file.model, "model")(**model_arguments(study_file, sampled, data))
    return model


def model_arguments(study_file: StudyFile, sampled: dict[str, Any], data: object) -> dict[str, Any]:
    """The constructor arguments of the study's model: declared, sampled, and what it must know of the data."""
    cls = find_class(study_file.model, "model")
    given = with_sampled(study_file.model.init_args, sampled)
    return with_objects(cls, with_context(cls, given, model_context(data)), "model")


def build(cls: type, given: dict[str, Any], context: dict[str, Any], section: str = "data") -> Any:
    """Builds ``cls`` from its arguments, the context's included. The ``prepare_data`` of the object, if it has one,
    runs in one process of a machine at a time."""
    return one_at_a_time(cls(**with_objects(cls, with_context(cls, given, context), section)))
