"""The configurations that a dry run tries."""

from __future__ import annotations

from typing import Any

from lightsearch.declare.parameters import ListParameter
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.values import part_of


def two_configurations(study_file: StudyFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two configurations of the space: the classes' defaults, as far as the space contains them, and a random one.

    An argument without a default in the space gets its value in the first enqueued configuration, or its lowest value.
    """
    import optuna

    from lightsearch.declare.arguments import default_arguments

    arguments = default_arguments(study_file)
    enqueued = study_file.enqueue[0] if study_file.enqueue else {}
    params: dict[str, Any] = {}
    for entry in study_file.space.entries:
        if not entry.parameter.applies(params):
            continue
        value: Any = arguments[entry.section]
        for part in entry.argument.split("."):
            value = part_of(value, part)
        try:
            params |= entry.parameter.read(value, entry.name)
        except ValueError:
            known = {name: one for name, one in enqueued.items() if name in _names(entry.parameter, entry.name)}
            params |= known or entry.parameter.read(_lowest(entry.parameter), entry.name)
    sampler = optuna.samplers.RandomSampler(seed=study_file.seed)
    drawn = study_file.space.suggest(optuna.create_study(sampler=sampler).ask())
    return params, drawn


def _names(parameter: Any, name: str) -> set[str]:
    return set() if isinstance(parameter, ListParameter) else {name}


def _lowest(parameter: Any) -> Any:
    """The argument of the parameter's lowest value."""
    if isinstance(parameter, ListParameter):
        least = parameter.length if isinstance(parameter.length, int) else parameter.length[0]
        return parameter.item.examples()[:1] * least
    return parameter.examples()[0]
