"""What modules consist of: which of them one forward pass can serve, and which are alike but for sizes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from torch import nn

from lightsearch.packs import dropout


def module_key(module: Any) -> Hashable:
    """Everything of a module but the numbers in its tensors and the probabilities of its dropout layers.

    One forward pass serves all modules with equal keys.
    """
    described = tuple(
        (name, type(part).__qualname__, part.training, repr(sorted(_fixed(part).items())) if name else "")
        for name, part in module.named_modules()
    )
    tensors = (*module.named_parameters(), *module.named_buffers())
    return (
        type(module),
        described,
        tuple((name, tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in tensors),
    )


def part_kinds(module: Any) -> list[str]:
    """The kinds of submodules that a module has, its own class first, without their names, number and sizes."""
    kinds = {
        repr((type(part).__module__, type(part).__qualname__, part.training, without_sizes(_settings(part))))
        for name, part in module.named_modules()
        if name
    }
    frozen = {parameter.requires_grad for parameter in module.parameters()}
    return [f"{type(module).__module__}.{type(module).__qualname__}", repr(sorted(frozen)), *sorted(kinds)]


def without_sizes(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Settings, with each number replaced by whether it is zero: a dropout of 0 draws no random numbers."""

    def one(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return tuple(map(one, value))
        if isinstance(value, bool | str | type(None)):
            return value
        return bool(value) if isinstance(value, int | float) else type(value).__qualname__

    return sorted((name, one(value)) for name, value in settings.items())


def _fixed(part: nn.Module) -> dict[str, Any]:
    """The settings in which the modules of a pack do not differ."""
    return {**_settings(part), **({"p": dropout.draws(part)} if type(part) in dropout.FUNCTIONS else {})}


def _settings(part: nn.Module) -> dict[str, Any]:
    """The attributes of a module other than tensors and modules."""
    return {
        name: value
        for name, value in vars(part).items()
        if not name.startswith("_") and isinstance(value, bool | int | float | str | tuple | type(None))
    }
