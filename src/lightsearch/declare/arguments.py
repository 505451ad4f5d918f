"""Constructor arguments of a study's classes: declared, sampled, and filled in by lightsearch."""

from __future__ import annotations

import inspect
from typing import Any

from lightsearch.declare.classes import find_class
from lightsearch.declare.space import Section
from lightsearch.declare.study_file import StudyFile


def with_context(cls: type, given: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """The given arguments, and those of the context that ``cls`` takes and that are not given.

    Args:
        cls: The class that takes the arguments.
        given: Declared and sampled arguments.
        context: What lightsearch can fill in: see ``data_context`` and ``model_context``.
    """
    accepted = inspect.signature(cls).parameters
    return {**{name: value for name, value in context.items() if name in accepted}, **given}


def with_sampled(init_args: dict[str, Any], sampled: dict[str, Any]) -> dict[str, Any]:
    """The declared arguments, replaced by sampled ones of the same name, within tables too."""
    result = dict(init_args)
    for name, value in sampled.items():
        inner = result.get(name)
        result[name] = with_sampled(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def data_context(seed: object, data_dir: str | None, folds: int | None = None) -> dict[str, Any]:
    """Arguments that lightsearch fills in for a data class that has parameters of these names.

    Args:
        seed: The study's seed.
        data_dir: Folder of the data files; None: the class's default.
        folds: The number of folds of ``[validation]``: the data is then that of the first; None: there are none.
    """
    context: dict[str, Any] = {"split_seed": seed}
    if folds is not None:
        context |= {"fold": 0, "folds": folds}
    return context if data_dir is None else {**context, "data_dir": data_dir}


def model_context(data: object) -> dict[str, Any]:
    """Arguments that the data fills in for a model that has parameters of these names."""
    arguments: dict[str, Any] = getattr(data, "model_arguments", {})
    return arguments


def default_params(study_file: StudyFile) -> dict[str, Any]:
    """The values of the study's parameters that the classes' own defaults make.

    Raises:
        ValueError: if a sampled argument has no default, or one outside the space.
    """
    return study_file.space.join(default_arguments(study_file))


def default_arguments(study_file: StudyFile) -> dict[Section, dict[str, Any]]:
    """The arguments of each class of the study if nothing is sampled: its defaults, and those of the study file."""
    given: dict[Section, dict[str, Any]] = {section: {} for section in study_file.space.sections}
    given |= declared_arguments(study_file)
    defaults = class_defaults(study_file)
    return {section: with_sampled(defaults.get(section, {}), own) for section, own in given.items()}


def declared_arguments(study_file: StudyFile) -> dict[Section, dict[str, Any]]:
    """The arguments that the study file has for every trial, by section."""
    common: dict[Section, dict[str, Any]] = {
        "trainer": study_file.trainer.keywords,
        "callbacks": {spec.label: spec.init_args for spec in study_file.callbacks if spec.given is None},
    }
    if study_file.config is not None:
        return {"config": study_file.config.content or {}, **common}
    return {
        "model": study_file.model.init_args,
        "data": study_file.data.init_args if study_file.data is not None else {},
        **common,
    }


def class_defaults(study_file: StudyFile) -> dict[Section, dict[str, Any]]:
    """The defaults in the signatures of the classes of the model, the data, the Trainer and the callbacks."""
    import pytorch_lightning as pl

    common: dict[Section, dict[str, Any]] = {
        "trainer": _defaults(pl.Trainer),
        "callbacks": {
            spec.label: _defaults(find_class(spec, f"callbacks[{position}]"))
            for position, spec in enumerate(study_file.callbacks)
            if spec.given is None
        },
    }
    if study_file.config is not None:
        return common
    data = study_file.data
    return {
        "model": _defaults(find_class(study_file.model, "model")),
        "data": _defaults(find_class(data, "data")) if data is not None else {},
        **common,
    }


def _defaults(cls: type) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}
