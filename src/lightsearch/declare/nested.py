"""Objects within arguments: tables with a ``class_path``, as LightningCLI takes them.

jsonargparse builds them by the types in the signature. An argument whose type is a table, or that has no type, gets the
table itself: a study file can only name classes that a signature asks for.
"""

from __future__ import annotations

import copy
import re
from argparse import ArgumentError
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lightsearch.errors import Mistake, UserError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

CLASS_KEYS = {"class_path", "init_args", "dict_kwargs"}
"""Keys of a table that names a class, in jsonargparse and LightningCLI."""


def names_class(value: Any) -> bool:
    """Whether a value is a table that names a class, or holds one at any depth."""
    if isinstance(value, dict):
        is_class = isinstance(value.get("class_path"), str) and value.keys() <= CLASS_KEYS
        return is_class or any(map(names_class, value.values()))
    return isinstance(value, list) and any(map(names_class, value))


def sampled_objects(given: dict[str, Any], sampled: Iterable[str]) -> set[str]:
    """Names of the arguments that hold classes whose own arguments are sampled: ``encoder.init_args.width``.

    Args:
        given: The arguments of the study file.
        sampled: Names of the sampled arguments.
    """
    outer = {name.partition(".")[0] for name in sampled if re.fullmatch(r"[^.]+\.(class_path|init_args\..+)", name)}
    return {name for name in outer if name not in given or names_class(given[name])}


def check_objects(cls: type, arguments: dict[str, Any], section: str) -> list[Mistake]:
    """Finds tables from which no object can be built. Nothing is built here.

    Args:
        cls: The class that takes the arguments.
        arguments: Values as the study file has them.
        section: The section of the study file that names ``cls``.
    """
    mistakes = []
    for name in _tables(cls, arguments):
        try:
            _parsed(cls, name, arguments[name])
        except ArgumentError as error:
            mistakes.append(_mistake(error, section, name, arguments[name]))
    return mistakes


def with_objects(cls: type, arguments: dict[str, Any], section: str) -> dict[str, Any]:
    """The arguments, with a new object instead of each table that names a class.

    Args:
        cls: The class that takes the arguments.
        arguments: Values as the study file has them. They are not changed.
        section: The section of the study file that names ``cls``.

    Raises:
        UserError: if jsonargparse refuses a table.
        Exception: any exception of an object's constructor.
    """
    built = dict(arguments)
    for name in _tables(cls, arguments):
        try:
            parser, config = _parsed(cls, name, arguments[name])
        except ArgumentError as error:
            raise UserError(_mistake(error, section, name, arguments[name])) from None
        built[name] = _as_table(parser.instantiate(config, instantiators=[(_new, object, True)])[name])
    return built


def _tables(cls: type, arguments: dict[str, Any]) -> list[str]:
    """Names of the arguments of the signature whose values name classes."""
    named = [name for name, value in arguments.items() if names_class(value)]
    return [name for name in named if name in known_arguments(cls)] if named else []


def known_arguments(cls: type) -> list[str]:
    """Names of the arguments of a class, including those that it passes to its bases as ``**kwargs``."""
    known: list[str] = _parser().add_class_arguments(cls, fail_untyped=False)
    return known


def _parsed(cls: type, name: str, value: Any) -> tuple[ArgumentParser, Namespace]:
    """A parser for one argument of a class, and what it reads of the value."""
    parser = _parser()
    parser.add_class_arguments(cls, fail_untyped=False, skip={other for other in known_arguments(cls) if other != name})
    # A copy, since jsonargparse writes into the table.
    return parser, parser.parse_object({name: copy.deepcopy(value)}, defaults=False)


def _parser() -> ArgumentParser:
    from jsonargparse import ArgumentParser, set_parsing_settings

    # An argument that takes anything would otherwise take any class, subprocess.Popen included. These settings are the
    # defaults of jsonargparse 5.
    set_parsing_settings(instantiate_subclass_spec_in_any=False, import_path_denylist=[])
    return ArgumentParser(parser_mode="json", exit_on_error=False, add_help=False)


def _new(cls: type, *args: Any, **arguments: Any) -> Any:
    return cls(*args, **{name: _as_table(value) for name, value in arguments.items()})


def _as_table(value: Any) -> Any:
    """The table of which jsonargparse has made a namespace and no object; any other value as it is."""
    from jsonargparse import Namespace

    if isinstance(value, Namespace):
        return {name: _as_table(inner) for name, inner in vars(value).items()}
    return [_as_table(inner) for inner in value] if type(value) is list else value


def _mistake(error: ArgumentError, section: str, name: str, value: Any) -> Mistake:
    return Mistake(f"{section}.init_args.{name}", value, one_line(str(error)))


def one_line(message: str) -> str:
    """What jsonargparse says, in one line: where in the table, and what is expected."""
    lines = [line.strip().removeprefix("- ") for line in message.partition("Given value type:")[0].splitlines()]
    noise = r"Does not validate|Subtypes:|Errors:|Expected a <class 'NoneType'>|Subclass types expect"
    words = " ".join(line for line in lines[1:] if line and not re.match(noise, line))
    for pattern, shorter in (
        (r"<class '([^']+)'>", r"\1"),
        (r"Problem with given class_path '([^']+)'", r"\1"),
        (r'Parser key "([^"]+)"', r"\1"),
        (r"Add the import path to import_path_allowlist.*?allow it\.", ""),
        (r"\.* *Got value: Namespace\(.*", ""),
        (r"Expected an? (.*?)\. Got value: ", r"expected \1, got "),
    ):
        words = re.sub(pattern, shorter, words)
    return words.strip()
