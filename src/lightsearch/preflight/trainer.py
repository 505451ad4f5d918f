"""Whether the Trainer accepts its arguments, and which devices it would use."""

from __future__ import annotations

import inspect
from typing import Any

from lightsearch.declare.sections import TrainerSpec
from lightsearch.declare.trainer_flags import check_flags
from lightsearch.errors import Mistake, did_you_mean, first_line
from lightsearch.preflight.arguments import examples_of


def accelerators_here(declared: dict[str, Any]) -> int:
    """The number of GPUs that trials may use."""
    import torch

    on_cpu = _trainer(declared).get("accelerator") == "cpu"
    return 0 if on_cpu or not torch.cuda.is_available() else torch.cuda.device_count()


def devices_of_trial(declared: dict[str, Any], sampled: dict[str, Any]) -> list[int]:
    """The numbers of devices of trials: the declared one, or the lowest and the highest sampled ones.

    Invalid numbers are left out; ``check_trainer`` reports them.
    """
    given = examples_of(sampled["devices"]) if "devices" in sampled else [_trainer(declared).get("devices", 1)]
    return [number for number in given if type(number) is int and number > 0]


def check_trainer(
    declared: dict[str, Any], sampled: dict[str, Any], devices: list[int], accelerators: int
) -> list[Mistake]:
    """Checks the Trainer's arguments, declared and sampled, as far as possible without a model.

    Args:
        declared: The study file's content.
        sampled: The space of the Trainer's arguments.
        devices: See ``devices_of_trial``.
        accelerators: Number of GPUs.
    """
    import pytorch_lightning as pl

    keywords = {
        key: value
        for key, value in _trainer(declared).items()
        if key not in TrainerSpec.model_fields or key in ("max_epochs", "devices")
    }
    known = set(inspect.signature(pl.Trainer).parameters) - {"callbacks", "default_root_dir"}
    mistakes = [
        Mistake(
            f"{section}.{name}", value, f"unknown key; {did_you_mean(name, known | TrainerSpec.model_fields.keys())}"
        )
        for section, given in (("trainer", keywords), ("space.trainer", sampled))
        for name, value in given.items()
        if name not in known
    ]
    mistakes += _check_devices(keywords, sampled, devices, accelerators)
    if not mistakes:
        epochs = {"max_epochs": TrainerSpec.model_fields["max_epochs"].default, **keywords}
        examples = {name: examples_of(value) for name, value in sampled.items()}
        mistakes += check_flags(epochs, examples, has_logger=declared.get("logger") is not None)
    if not mistakes:
        try:
            pl.Trainer(**{"logger": False, "enable_checkpointing": False, **keywords})
        except Exception as error:  # reported in Lightning's own words
            reason = first_line(error)
            mistakes.append(Mistake("trainer", keywords, f"the Lightning Trainer says: {reason}"))
    return mistakes


def _check_devices(keywords: dict[str, Any], sampled: dict[str, Any], devices: list[int], gpus: int) -> list[Mistake]:
    mistakes = []
    if "devices" in sampled and len(devices) < max(1, len(examples_of(sampled["devices"]))):
        mistakes.append(Mistake("space.trainer.devices", sampled["devices"], "sample whole numbers from 1"))
    if keywords.get("num_nodes", 1) != 1:
        hint = "a trial has one machine; leave it out, and start the same search on each machine, on one PostgreSQL"
        mistakes.append(Mistake("trainer.num_nodes", keywords["num_nodes"], hint))
    if gpus and max(devices, default=1) > gpus:
        field = "space.trainer.devices" if "devices" in sampled else "trainer.devices"
        hint = f"there are {gpus} GPUs here; write {gpus} at most, or hide them (CUDA_VISIBLE_DEVICES=) to use the CPU"
        mistakes.append(Mistake(field, max(devices), hint))
    return mistakes


def _trainer(declared: dict[str, Any]) -> dict[str, Any]:
    section = declared.get("trainer", {})
    return section if isinstance(section, dict) else {}
