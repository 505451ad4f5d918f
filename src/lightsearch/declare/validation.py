"""Validates a declaration as a whole: all mistakes are reported at once."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import ValidationError

from lightsearch.declare import enqueued, lightning_cli
from lightsearch.declare.callbacks import check_remembered
from lightsearch.declare.parameters import KINDS
from lightsearch.declare.repeats import check_repeats
from lightsearch.declare.scheduling import check_scheduler
from lightsearch.declare.space import Space
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, did_you_mean

MODEL_KEYS = [
    *("data", "model", "config", "init_from", "space", "baseline", "learn_from"),
    *("trainer", "callbacks", "constraints", "validation", "logger", "keep_top_k"),
]
"""Keys of a study of a model. A study of a function has none of them."""


def validate(declared: dict[str, Any]) -> tuple[StudyFile | None, list[Mistake]]:
    """The validated study and no mistakes, or None and all mistakes of form."""
    mistakes = _check_subject(declared)
    try:
        study_file = StudyFile.model_validate(declared)
    except ValidationError as error:
        return None, mistakes + [_mistake(dict(details)) for details in error.errors()]
    mistakes += _check_directions(study_file) + _check_enqueued(study_file)
    mistakes += _check_learn_from(study_file)
    mistakes += _check_stop(study_file) + _check_sampled_callbacks(study_file)
    mistakes += check_remembered(study_file.callbacks) + check_scheduler(study_file)
    mistakes += check_repeats(study_file)
    return (None if mistakes else study_file), mistakes


def _check_subject(declared: dict[str, Any]) -> list[Mistake]:
    """Checks that the study is of a model and data, or of a function."""
    if declared.get("objective") is None:
        if (mistakes := lightning_cli.check_sampled(declared)) or declared.get("config") is not None:
            return mistakes
        if declared.get("model") is None:
            return [Mistake(key, None, "is missing; add it") for key in ("data", "model") if declared.get(key) is None]
        space = declared.get("space")
        if declared.get("data") is None and isinstance(space, dict) and space.get("data"):
            return [Mistake("space.data", space["data"], "there is no [data] that takes it; add it")]
        return []  # the preflight knows whether the model has loaders of its own
    hint = "has no effect in a study of a function (objective); remove one of the two"
    return [Mistake(key, declared[key], hint) for key in MODEL_KEYS if key in declared]


def _check_directions(study_file: StudyFile) -> list[Mistake]:
    if study_file.objective is not None and study_file.multi_objective:
        return [Mistake("metric", list(study_file.metrics), "a function has a single objective; name one")]
    n_metrics, directions = len(study_file.metrics), study_file.directions
    if n_metrics == len(directions):
        return []
    given = directions[0] if len(directions) == 1 else list(directions)
    hint = "there is 1 metric; write 1 direction"
    if n_metrics > 1:
        hint = f"there are {n_metrics} metrics; write {n_metrics} directions"
    return [Mistake("direction", given, hint)]


def _check_stop(study_file: StudyFile) -> list[Mistake]:
    rules = study_file.stop.model_dump(exclude_defaults=True)
    if not study_file.multi_objective or not rules:
        return []
    return [Mistake("stop", rules, "its rules compare by one objective, and this study has several; leave it out")]


def _check_enqueued(study_file: StudyFile) -> list[Mistake]:
    if study_file.objective is not None:
        return []  # the parameters of a function are not known before it runs
    return [
        Mistake(f"enqueue[{position}].{name}", params[name], hint)
        for position, params in enumerate(study_file.enqueue)
        for name, hint in enqueued.refused(study_file.space, params).items()
    ]


def _check_learn_from(study_file: StudyFile) -> list[Mistake]:
    """Checks the names of earlier studies. Whether there are such studies is found out in the storage."""
    names = study_file.learn_from
    mistakes = [Mistake("learn_from", name, "is there twice; write it once") for name in names if names.count(name) > 1]
    if study_file.name in names:
        hint = "is this study, which learns from its own trials anyway; take it out, or search under another --name"
        mistakes.append(Mistake("learn_from", study_file.name, hint))
    return mistakes[:1]


def _check_sampled_callbacks(study_file: StudyFile) -> list[Mistake]:
    """Checks that each sampled argument of a callback belongs to exactly one callback."""
    labels = [spec.label for spec in study_file.callbacks]
    mistakes = []
    for argument in study_file.space.callbacks:
        label, dot, _ = argument.partition(".")
        if not dot or label not in labels:
            hint = f"{label} is no callback of the study; write CALLBACK.argument, {did_you_mean(label, labels)}"
        elif labels.count(label) > 1:
            hint = f"there are {labels.count(label)} callbacks {label}; give each a name"
        elif next(spec for spec in study_file.callbacks if spec.label == label).given is not None:
            hint = f"{label} is an object from Python; declare it with class_path and init_args to sample its arguments"
        else:
            continue
        mistakes.append(Mistake(f"space.callbacks.{argument}", None, hint))
    return mistakes


def _mistake(details: dict[str, Any]) -> Mistake:
    """One of pydantic's errors as a mistake: field, value, hint."""
    keys = [part for part in details["loc"] if not (isinstance(part, str) and part.startswith("<"))]
    field = ".".join(str(part) for part in keys) or "the study file"
    field = re.sub(r"^callbacks\.(\d+)", r"callbacks[\1]", field)
    kind, message = details["type"], str(details["msg"])
    if kind == "missing":
        return Mistake(field, None, "is missing; add it")
    if kind == "extra_forbidden":
        if keys[:-1] == ["space"] and isinstance(details["input"], dict) and details["input"].keys() & set(KINDS):
            others = ", ".join(section for section in Space.model_fields if section != "model")
            hint = f"is in no section; write space.model.{keys[-1]} if the model takes it (else: {others})"
            return Mistake(field, details["input"], hint)
        return Mistake(field, details["input"], f"unknown key; {did_you_mean(str(keys[-1]), _known_keys(keys[:-1]))}")
    if kind in ("model_type", "dict_type"):
        message = f"should be a table; write {{ key = value, ... }}, or [{field}] with its keys below"
    if kind == "tuple_type":
        message = "should be a list; write [...]"
    if kind == "string_pattern_mismatch":
        message = "write module.function" if field == "objective" else "write package.module.Class"
        message = "write letters, digits and _" if field.endswith("].name") else message
    return Mistake(field, details["input"], message.removeprefix("Value error, ").removeprefix("Input "))


def _known_keys(keys: list[Any]) -> list[str]:
    """The keys that the section at this path can have."""
    if keys[:1] == ["space"] and len(keys) == 3:
        return [*KINDS, "log", "step", "prior", "when", "length"]
    section: Any = StudyFile
    for part in (key for key in keys if isinstance(key, str)):
        section = section.model_fields[part].annotation
        section = next((kind for kind in get_args(section) if isinstance(kind, type)), section)
    return [field.alias or name for name, field in section.model_fields.items() if not field.exclude]
