"""Why a validation does not log the study's metric, and what to write instead."""

from __future__ import annotations

from typing import Any

from lightsearch.compat import logged
from lightsearch.errors import did_you_mean


def why_missing(name: str, trainer: Any) -> str:
    """Why a metric is not among those of a validation, and what to write.

    Args:
        name: The metric.
        trainer: A Trainer after an epoch of training and a validation.
    """
    found = set(logged.ever_in_validation(trainer))
    training = logged.ever_in_training(trainer)
    known = f"validation logs {', '.join(sorted(found)) or 'nothing'}"
    base = name.removesuffix("_epoch").removesuffix("_step")
    if name in logged.steps_of_validation(trainer):
        return "is logged in validation for each step alone; log it with on_epoch=True"
    if loaders := sorted(one for one in found if one.startswith(f"{name}/dataloader_idx_")):
        return f'is logged for each of several validation loaders; name one of them: "{loaders[0]}"'
    if name in training:
        hooks = ", ".join(sorted(training[name]))
        return f"is logged in training only ({hooks}), and a search compares trials by a validation; {known}"
    if base != name and base in found:
        added = "for each step" if name.endswith("_step") else "beside it only where it is logged with on_step=True"
        return f'a name that Lightning adds {added}; write "{base}"'
    hint = did_you_mean(name, found)
    return f"is not logged in validation; {hint} ({known})" if hint.startswith("did") else f"is not logged; {known}"
