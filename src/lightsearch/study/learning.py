"""What a study begins with: the user's guess of good values, and what earlier studies have found.

An earlier study may have another space. Its parameters of the same name and kind count, as far as their values are in
the new space. What was found is kept with the new study when it begins, so that it decides the same later on, whatever
becomes of the earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from lightsearch.declare.enqueued import refused
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.values import Value
from lightsearch.errors import Mistake, UserError
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study import pareto
from lightsearch.study.creation import study_names
from lightsearch.study.schedulers.beliefs import Centre
from lightsearch.study.schedulers.unit_cube import UnitCube

ATTR = "learned"
"""The study's user attribute with what it has learned from earlier studies: a list of ``Learned``."""

N_BEST = 3
"""Configurations that are taken over from an earlier study."""

DISTINCT = 0.1
"""Their least distance from each other: the root of the mean square of their differences in the unit cube."""


class Learned(TypedDict):
    """What an earlier study has found."""

    study: str
    """Its name."""
    uid: str | None
    """What tells it from a later study of the same name; None: another program made it."""
    configurations: list[dict[str, Any]]
    """Its best configurations, as far as they are in the new space, the best first."""


def believed(study_file: StudyFile, learned: Sequence[Learned]) -> list[Centre]:
    """The configurations that a study begins with: the user's guess, then those of earlier studies by their ranks."""
    prior = _within(study_file, study_file.space.prior)
    centres = [Centre(prior, "the prior")] if prior else []
    for rank in range(N_BEST):
        centres += [
            Centre(one["configurations"][rank], f"place {rank + 1} of {one['study']}", 1 / (rank + 1))
            for one in learned
            if rank < len(one["configurations"])
        ]
    return centres


def learned_of(storage: RetryingStorage, name: str) -> list[Learned]:
    """What a study has learned when it began; nothing if there is no such study."""
    if name not in study_names(storage):
        return []
    found: list[Learned] = optuna.load_study(study_name=name, storage=storage).user_attrs.get(ATTR, [])
    return found


def learn(storage: RetryingStorage, study_file: StudyFile) -> list[Learned]:
    """What the earlier studies have found that a study file names.

    What the study has already learned stays as it is.

    Raises:
        UserError: with one line for each study that there is nothing to learn from.
    """
    if not study_file.learn_from:
        return []
    before = {one["study"]: one for one in learned_of(storage, study_file.name)}
    found, mistakes = [], []
    for name in study_file.learn_from:
        try:
            found.append(before.get(name) or _learn_from(storage, study_file, name))
        except ValueError as reason:
            mistakes.append(Mistake("learn_from", name, str(reason)))
    if mistakes:
        raise UserError(*mistakes)
    return found


def _learn_from(storage: RetryingStorage, study_file: StudyFile, name: str) -> Learned:
    """The best configurations of an earlier study.

    Raises:
        ValueError: if there are none, with the reason.
    """
    names = study_names(storage)
    if name not in names:
        raise ValueError(f"no such study in the storage; there are: {', '.join(names) or 'none'}")
    study = optuna.load_study(study_name=name, storage=storage)
    directions = [direction.name.lower() for direction in study.directions]
    if directions != list(study_file.directions):
        raise ValueError(
            f"has the direction {' '.join(directions)}, and this study {' '.join(study_file.directions)}; take it out"
        )
    ranked = pareto.ranked(study.get_trials(deepcopy=False), directions)
    if not ranked:
        raise ValueError("has no complete trial to learn from; continue it first, or take it out")
    configurations = _distinct(study_file, ranked)
    if not configurations:
        ours, theirs = ", ".join(study_file.space.names) or "none", ", ".join(ranked[0].params) or "none"
        raise ValueError(f"has no value of this study's parameters: its parameters are {theirs}, those here {ours}")
    return Learned(study=name, uid=study.user_attrs.get("uid"), configurations=configurations)


def _distinct(study_file: StudyFile, ranked: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """The best configurations, as far as they are in the new space; those that are close to a better one are left out.

    Args:
        study_file: The study file.
        ranked: Trials of an earlier study, the best first.
    """
    cube = UnitCube(study_file.space)
    found: list[dict[str, Any]] = []
    points: list[Any] = []
    for trial in ranked:
        same_kind = {
            name: value
            for name, value in trial.params.items()
            if type(trial.distributions[name]) is type(cube.distributions.get(name))
        }
        params = _within(study_file, same_kind)
        if not params:
            continue
        point = cube.encode(params)
        if all(np.sqrt(np.mean(np.square(point - other))) >= DISTINCT for other in points):
            found.append(params)
            points.append(point)
        if len(found) == N_BEST:
            break
    return found


def _within(study_file: StudyFile, params: Mapping[str, Value]) -> dict[str, Value]:
    """The values of a configuration that are in the study's space."""
    outside = refused(study_file.space, params)
    return {name: value for name, value in params.items() if name not in outside}
