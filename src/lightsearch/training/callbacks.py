"""The user's Lightning callbacks of one fit, built anew from the study file and sampled arguments."""

from __future__ import annotations

import pickle
from types import ModuleType
from typing import Any

from lightsearch.compat.lightning_package import callback_for
from lightsearch.declare.arguments import with_sampled
from lightsearch.declare.classes import find_class
from lightsearch.declare.nested import with_objects
from lightsearch.declare.sections import CallbackSpec
from lightsearch.declare.study_file import StudyFile


def build_callbacks(study_file: StudyFile, sampled: dict[str, Any], lightning: ModuleType) -> list[Any]:
    """The callbacks of a trial.

    Progress bars are left out: a search has its own display.

    Args:
        study_file: The declared study.
        sampled: The sampled arguments, by the callbacks' labels.
        lightning: The package that the model derives from; the callbacks then belong to it too.
    """
    built = [
        callback_for(lightning, build_callback(spec, sampled.get(spec.label, {}), f"callbacks[{position}]"))
        for position, spec in enumerate(study_file.callbacks)
    ]
    return [one for one in built if not isinstance(one, lightning.callbacks.ProgressBar)]


def build_callback(spec: CallbackSpec, sampled: dict[str, Any], field: str) -> Any:
    """One callback.

    Args:
        spec: Its declaration, or the callback itself in pickled form.
        sampled: Its sampled arguments.
        field: Its place in the study file: ``callbacks[0]``.
    """
    if spec.given is not None:
        return pickle.loads(spec.given)  # it comes from the process that started the search
    cls = find_class(spec, field)
    return cls(**with_objects(cls, with_sampled(spec.init_args, sampled), field))
