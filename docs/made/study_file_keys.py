"""The keys of a study file, from its pydantic schema and the docstrings of its fields."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from lightsearch.declare.base_parameter import BaseParameter
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.toml_text import toml_value
from lightsearch.declare.values import MOST_INT


class _Value:
    """Stands for a boolean, a number or a string."""


PLAIN = {
    str: "string",
    int: "whole number",
    float: "number",
    bool: "true or false",
    _Value: "value",
    dict: "table",
    tuple: "list",
}
LIMITS = ((Ge, "ge", "at least"), (Gt, "gt", "above"), (Le, "le", "at most"), (Lt, "lt", "below"))


def markdown() -> str:
    """A section per model of the schema, outermost first."""
    return "\n\n".join(_section(model) for model in _models(StudyFile))


def _models(outermost: type[BaseModel]) -> list[type[BaseModel]]:
    found = [outermost]
    for model in found:  # grows while it is read
        inner = (one for field in _fields(model).values() for one in _types(field.annotation))
        found += dict.fromkeys(one for one in inner if issubclass(one, BaseModel) and one not in found)
    return found


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {name: field for name, field in model.model_fields.items() if not field.exclude}


def _types(annotation: Any) -> Iterator[type]:
    """The classes that an annotation names, at any depth."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _types(inner)


def _section(model: type[BaseModel]) -> str:
    documented = _docstrings(model)
    parameter = issubclass(model, BaseParameter)
    lines = [f"### {_title(model)}", "", _markdown(model.__doc__ or "")]
    lines += ["", "| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in _fields(model).items():
        if parameter and name == "when" and model is not _first_parameter():
            continue
        lines.append(
            f"| `{field.alias or name}` | {_words(field)} | {_default(field)} | {_cell(documented.get(name, ''))} |"
        )
    return "\n".join(lines)


def _first_parameter() -> type[BaseModel]:
    return next(model for model in _models(StudyFile) if issubclass(model, BaseParameter))


def _title(model: type[BaseModel]) -> str:
    """``ClassSpec`` as ``Class spec``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", model.__name__.removesuffix("Spec"))
    return {"StudyFile": "Top level"}.get(model.__name__, words.capitalize())


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings below the fields of a class and of its bases."""
    documented: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if cls.__module__.startswith("lightsearch."):
            source = griffe.visit(cls.__module__, Path(inspect.getfile(cls)), Path(inspect.getfile(cls)).read_text())
            attributes = source[cls.__qualname__].attributes.items()
            documented |= {name: one.docstring.value for name, one in attributes if one.docstring is not None}
    return documented


def _words(field: FieldInfo) -> str:
    limits = [
        f"{words} {getattr(one, key)}"
        for one in field.metadata
        for kind, key, words in LIMITS
        if isinstance(one, kind) and abs(getattr(one, key)) < MOST_INT
    ]
    return ", ".join([_type_words(field.annotation), *limits])


def _type_words(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return "any value"
    if origin is typing.Annotated:
        return _type_words(inner[0])
    if origin is typing.Literal:
        return " or ".join(f"`{toml_value(one)}`" for one in inner)
    if origin in (typing.Union, types.UnionType):
        if {bool, int, float, str} <= {_bare(one) for one in inner}:
            inner = (_Value, *(one for one in inner if _bare(one) not in (bool, int, float, str)))
        if all(issubclass(_bare(one), BaseParameter) for one in inner if isinstance(_bare(one), type)):
            return f"[parameter](#{_anchor(_bare(inner[0]))})"
        return " or ".join(dict.fromkeys(_type_words(one) for one in inner if one is not type(None)))
    if origin is tuple and len(inner) == 2 and inner[1] is not Ellipsis:
        return f"[{_type_words(inner[0])}, {_type_words(inner[1])}]"
    if origin is tuple or annotation is tuple:
        return f"list of: {_type_words(inner[0])}" if inner else "list"
    if origin is dict:
        value = _type_words(inner[1])
        return "table" if value == "any value" else f"table of: {value}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{_title(annotation).lower()}](#{_anchor(annotation)})"
    return PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _bare(annotation: Any) -> Any:
    """The type within ``Annotated``."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def _anchor(model: type[BaseModel]) -> str:
    return _title(model).lower().replace(" ", "-")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = to_jsonable_python(field.get_default(call_default_factory=True), exclude_none=True, by_alias=True)
    if isinstance(default, list) and len(default) == 1 and field.alias in ("metric", "direction"):
        (default,) = default
    if default in (None, [], {}) or (isinstance(field.default, BaseModel) and not field.default.model_fields_set):
        return ""
    return f"`{toml_value(default)}`"


def _markdown(text: str) -> str:
    """A docstring with the code spans of Markdown."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))


def _cell(text: str) -> str:
    return _markdown(text).replace("|", "\\|")
