"""Whether the parameters that population based training changes leave the weights' shapes as they are."""

from __future__ import annotations

from typing import Any

from lightsearch.declare.scheduling import mutated, scheduler_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake
from lightsearch.training import components

Shapes = dict[str, tuple[int, ...]]


def check_mutated(study_file: StudyFile, params: dict[str, Any], data_dir: str | None) -> list[Mistake]:
    """Builds the model with two values of each parameter that a copy changes, and compares the weights' shapes.

    Layers that the module makes later, in ``setup`` or ``configure_model``, are not seen.

    Args:
        study_file: The declared study.
        params: A configuration that can be trained.
        data_dir: Folder of the data files.

    Returns:
        One mistake for each parameter that changes shapes; none if the study's scheduler is another one.
    """
    if scheduler_of(study_file).name != "pbt":
        return []
    data = components.build(study_file, params, data_dir, seed=study_file.seed, with_callbacks=False).data
    data = data if study_file.data is not None else None  # else it is the model itself
    parameters = {entry.name: entry.parameter for entry in study_file.space.entries}
    mistakes = []
    for name in mutated(study_file):
        if name not in params:  # it does not apply to this configuration
            continue
        values = parameters[name].extremes()
        try:
            found = [_shapes(study_file, {**params, name: value}, data) for value in (values[0], values[-1])]
        except Exception:  # the module refuses a value: the trials that have it will say so
            continue
        if (different := _different(*found)) is not None:
            hint = f"changes the shapes of the weights ({different}), which copies take over; take it out"
            mistakes.append(Mistake("scheduler.mutate", name, hint))
    return mistakes


def _shapes(study_file: StudyFile, params: dict[str, Any], data: Any) -> Shapes:
    model = components.build_model(study_file, study_file.space.split(params)["model"], data)
    return {name: tuple(getattr(value, "shape", ())) for name, value in model.state_dict().items()}


def _different(one: Shapes, other: Shapes) -> str | None:
    """The first weight that differs, with its shapes; None: none does."""
    for name in {**one, **other}:
        if one.get(name) != other.get(name):
            return f"{name}: {one.get(name, 'none')} and {other.get(name, 'none')}"
    return None
