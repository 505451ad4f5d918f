"""Whether classes accept the arguments that they are given, by name and by type."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lightsearch.declare.nested import check_objects, names_class, sampled_objects
from lightsearch.declare.parameters import Parameter
from lightsearch.declare.sections import ClassSpec
from lightsearch.errors import Mistake, UserError, did_you_mean


def check_arguments(
    cls: type,
    spec: ClassSpec,
    field: str,
    sampled: dict[str, Any],
    context: dict[str, Any],
    *,
    complete: bool = True,
    space: str | None = None,
) -> None:
    """Compares the arguments of a class with its signature.

    Args:
        cls: The class.
        spec: Its section of the study file.
        field: The name of the section: ``data``, ``model``, ``logger`` or ``callbacks[0]``.
        sampled: Its section of the space.
        context: Arguments that lightsearch provides.
        complete: Whether the context is complete, so that missing arguments are reported.
        space: Where its sampled arguments are; None: in ``space`` under the name of the section.

    Raises:
        UserError: with all mistakes.
    """
    parameters = inspect.signature(cls).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    mistakes = []
    for section, given in ((f"{field}.init_args", spec.init_args), (space or f"space.{field}", sampled)):
        for name, value in given.items():
            argument = name.partition(".")[0]
            if argument not in parameters and not takes_any:
                hint = f"{cls.__name__} has no argument {argument}; {did_you_mean(argument, parameters)}"
                mistakes.append(Mistake(f"{section}.{name}", value, hint))
            elif name in parameters and not names_class(value):
                examples = [value] if section.endswith("init_args") else examples_of(value)
                mistakes += _check_type(cls, name, examples, Mistake(f"{section}.{name}", value, ""))
    partial = sampled_objects(spec.init_args, sampled)  # a dry run builds these
    mistakes += check_objects(cls, {k: value for k, value in spec.init_args.items() if k not in partial}, field)
    for name in spec.init_args.keys() & sampled.keys():
        mistakes.append(Mistake(f"{field}.init_args.{name}", spec.init_args[name], "is sampled as well; keep one"))
    for name, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        )
        named = {argument.partition(".")[0] for argument in sampled}
        if complete and needed and name not in {*spec.init_args, *named, *context}:
            mistakes.append(Mistake(f"{field}.init_args.{name}", None, f"{cls.__name__} needs it; add it"))
    if mistakes:
        raise UserError(*mistakes)


def suffices(cls: type, given: dict[str, Any]) -> bool:
    """Whether a class can be built with these arguments."""
    try:
        inspect.signature(cls).bind(**given)
    except TypeError:
        return False
    return True


def examples_of(declared: Any) -> list[Any]:
    """Some values of a parameter of the space; none if its form is invalid, which the validation reports."""
    try:
        parameter: Any = TypeAdapter(Parameter).validate_python(declared)
    except ValidationError:
        return []
    found: list[Any] = parameter.examples()
    return found


def _check_type(cls: type, name: str, examples: list[Any], at: Mistake) -> list[Mistake]:
    """Compares values with the type hint of an argument; without a usable hint every value is accepted."""
    try:
        hint = get_type_hints(cls.__init__)[name]  # type: ignore[misc]
        taken = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # hints can be anything, such as names that exist for type checkers only
        return []
    for example in examples:
        try:
            # A value that pydantic has to convert is not of the type.
            fits = _same(taken.validate_python(example), example)
        except Exception:
            fits = False
        if not fits:
            words = getattr(hint, "__name__", str(hint)) if isinstance(hint, type) else str(hint)
            return [Mistake(at.field, at.value, f"{cls.__name__} takes {words} for {name}, not {example!r}")]
    return []


def _same(converted: Any, given: Any) -> bool:
    """Whether a value was accepted without conversion; an integer is accepted as a float."""
    if isinstance(given, list):
        taken = list(converted)
        return len(taken) == len(given) and all(map(_same, taken, given))
    real = type(given) is int and type(converted) is float
    return bool(converted == given) and (type(converted) is type(given) or real)
