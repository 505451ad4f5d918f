"""Proposed ranges by the names of arguments. Each range contains the argument's own default."""

from __future__ import annotations

import inspect
import math
import re
from typing import Any

from lightsearch.declare.toml_text import toml_value

Range = dict[str, Any]
"""A parameter as it is written in a study file: ``{"float": [1e-4, 1e-1], "log": True}``."""

RANGES: dict[str, Range] = {
    r"lr|learning_rate|.*_lr": {"float": [1e-4, 1e-1], "log": True},
    r"weight_decay|wd|l2": {"float": [1e-6, 1e-2], "log": True},
    r".*dropout.*|p_drop": {"float": [0.0, 0.5]},
    r"momentum": {"float": [0.8, 0.99]},
    r"hidden_sizes|hidden_dims|widths|channels": {"list": {"int": [16, 256], "log": True}, "length": [1, 3]},
    r"hidden.*|width|d_model|embed.*|dim|(n_|num_|base_)?channels|filters": {"choice": [16, 32, 64, 128]},
    r"depth|n_?layers|num_layers|n_?blocks|num_blocks": {"int": [1, 4]},
    r"n?_?heads|num_heads": {"choice": [1, 2, 4]},
    r"batch_size|bs": {"choice": [32, 64, 128, 256]},
}
"""Ranges by a pattern of the whole name. A name may stand for a number in one class and for a list in another."""


def range_of(parameter: inspect.Parameter) -> Range | None:
    """The range to sample an argument from. None if its name matches no pattern, or its default is of another type.

    Args:
        parameter: The argument, of a constructor's signature.
    """
    matching = [span for pattern, span in RANGES.items() if re.fullmatch(pattern, parameter.name)]
    default = parameter.default
    if not matching:
        return None
    if default is parameter.empty or default is None:
        fitting = [span for span in matching if _is_annotated(parameter, span)]
        return fitting[0] if fitting else None
    for span in matching:
        if (widened := _with(span, default)) is not None:
            return widened
    if isinstance(default, float) and math.isfinite(default) and default > 0:  # a factor that has the name of a size
        return {"float": [default / 4, default * 4], "log": True}
    return None


def as_toml(span: Range) -> str:
    """A range as it is written in a study file: ``{ float = [1e-4, 1e-1], log = true }``."""
    limit = 1 if span.get("log") else 1e-3
    return toml_value(span, lambda number: _with_exponent(number) if 0 < number < limit else repr(number))


def _with_exponent(number: float) -> str:
    mantissa, exponent = f"{number:e}".split("e")
    return f"{float(mantissa):.6g}e{int(exponent)}"


def _with(span: Range, default: Any) -> Range | None:
    """The range, widened so that it contains the default. None if that is impossible."""
    if "list" in span:
        return _list_with(span, default) if isinstance(default, list | tuple) else None
    if isinstance(default, bool) or not isinstance(default, int | float) or not math.isfinite(default):
        return None
    if "choice" in span:
        return {"choice": sorted({*span["choice"], default})} if isinstance(default, int) and default > 0 else None
    if "int" in span:
        low, high = span["int"]
        return {**span, "int": [min(low, default), max(high, default)]} if isinstance(default, int) else None
    low, high = span["float"]
    if not span.get("log"):
        return {**span, "float": [min(low, float(default)), max(high, float(default))]}
    if default < 0:
        return None
    if default == 0:  # 0 is not on a logarithmic scale: powers of ten instead
        steps = round(math.log10(high / low))
        return {"choice": [0.0, *(float(f"{low * 10**step:.6g}") for step in range(steps + 1))]}
    return {**span, "float": [min(low, float(default)), max(high, float(default))]}


def _list_with(span: Range, default: Any) -> Range | None:
    if not all(type(item) is int and item > 0 for item in default):
        return None
    (low, high), (least, most) = span["list"]["int"], span["length"]
    items = {**span["list"], "int": [min(low, *default, high), max(low, *default, high)]}
    return {"list": items, "length": [min(least, len(default)), max(most, len(default))]}


def _is_annotated(parameter: inspect.Parameter, span: Range) -> bool:
    """Whether the range makes values of the annotated type. True without an annotation."""
    hint = parameter.annotation
    words = hint if isinstance(hint, str) else getattr(hint, "__name__", str(hint))
    if hint is parameter.empty or "Any" in words:
        return True
    words = str(hint) if not isinstance(hint, type) else words
    if "list" in span:
        return bool(re.search(r"list|tuple|Sequence|Iterable", words, re.IGNORECASE))
    if re.search(r"list|tuple|Sequence|Iterable|dict|Mapping|Callable", words, re.IGNORECASE):
        return False
    if "float" in span:
        return "float" in words
    return "int" in words or "float" in words
