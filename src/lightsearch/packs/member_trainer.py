"""What a vectorised step may ask its Trainer for: what all members have in common, and rates to log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from lightsearch.compat.trainer import TRAINER_ATTRIBUTE
from lightsearch.packs.not_packable import NotPackable
from lightsearch.packs.unknown import OfEach

ATTRIBUTES = {
    *("current_epoch", "max_epochs", "min_epochs", "max_steps", "num_training_batches"),
    *("estimated_stepping_batches", "lr_scheduler_configs", "optimizers", "is_global_zero", "world_size"),
    *("training", "validating", "testing", "sanity_checking"),
}
"""The attributes of a Trainer that are up to date within an epoch of a pack."""
CALLS = {"get_last_lr"}
"""Methods that change nothing."""
PLAIN = (bool, int, float, str, type(None))


def for_step(modules: Sequence[Any]) -> dict[str, Any]:
    """The attributes of a module that lead to its Trainer, as a step of all members sees them.

    Args:
        modules: The modules of all members.
    """
    return {
        TRAINER_ATTRIBUTE: _TrainerOfEach([module.trainer for module in modules], "self.trainer"),
        **{name: _method(modules, name) for name in ("optimizers", "lr_schedulers")},
    }


def _method(modules: Sequence[Any], name: str) -> Callable[..., Any]:
    """A method that returns what those of the members return before the step."""
    values = [getattr(module, name)() for module in modules]
    return lambda **_: _common(values, f"self.{name}()")


def _common(values: Sequence[Any], name: str) -> Any:
    """One value for all members: itself if it is plain and equal, otherwise what stands for all of them."""
    if not all(isinstance(value, PLAIN) for value in values):
        return _ObjectOfEach(values, name)
    return values[0] if all(value == values[0] for value in values[1:]) else OfEach(name, values)


class _ObjectOfEach:
    """An object of each member, which a step may read.

    Args:
        each: The objects.
        name: What a step calls it.
    """

    def __init__(self, each: Sequence[Any], name: str) -> None:
        self._each, self._name = each, name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # Python and torch ask every object for some
            raise AttributeError(attribute)
        return _common([getattr(one, attribute) for one in self._each], f"{self._name}.{attribute}")

    def __getitem__(self, key: Any) -> Any:
        return _common([one[key] for one in self._each], f"{self._name}[{key!r}]")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        sizes = {len(one) for one in self._each}
        if len(sizes) > 1 or any(isinstance(one, Mapping) for one in self._each):
            self._refuse("asks for")
        return sizes.pop()

    def __bool__(self) -> bool:
        answers = {bool(one) for one in self._each}
        if len(answers) > 1:
            self._refuse("asks for")
        return answers.pop()

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if arguments or keywords or self._name.rpartition(".")[2] not in CALLS:
            self._refuse("calls")
        return _common([one() for one in self._each], f"{self._name}()")

    def __setattr__(self, attribute: str, value: Any) -> None:
        if attribute not in ("_each", "_name"):
            self._refuse("changes")
        super().__setattr__(attribute, value)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        self._refuse("changes")

    def _refuse(self, verb: str) -> NoReturn:
        raise NotPackable(f"its training_step {verb} {self._name}")


class _TrainerOfEach(_ObjectOfEach):
    """The Trainers of the members. What they count within an epoch is not up to date in a pack."""

    def __getattr__(self, attribute: str) -> Any:
        if not attribute.startswith("__") and attribute not in ATTRIBUTES:
            name = {"loggers": "self.logger", "logger": "self.logger"}.get(attribute, f"{self._name}.{attribute}")
            raise NotPackable(f"its training_step asks for {name}")
        return super().__getattr__(attribute)
