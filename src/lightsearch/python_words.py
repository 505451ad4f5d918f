"""Mistakes in Python's words: ``log=True`` and ``name="mine-2"``, where files and shells have others."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from lightsearch.errors import Mistake, UserError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

RENAMED = {"ray-address": "address"}
"""Options whose arguments have other names."""

OPTIONS: tuple[tuple[str, str], ...] = (
    (r" \(also with --set\)", ""),
    (r"write (\w+) = N at the top of the file, or --\1 N", r"write \1=N"),
    (r"--set (\w+)\.(\w+)=(\w+)", r'\1={"\2": \3}'),
    (r"lightsearch report --study ([\w.-]+)", r'lightsearch.load("\1")'),
    (r"--(name|study|on) ([\w./-]*\w)", r'\1="\2"'),
    (r"--(workers|threads|seed|trial) (\d+|N)\b", r"\1=\2"),
    (r"--widen\b", "widen=True"),
)
"""Options of a command within a message, as a call writes them."""

OTHER_OPTIONS = (
    r"--(n-trials|workers|threads|pack|storage|timeout|trial-timeout|data-dir|on|artifacts|name|seed|study|trial|top|"
    r"seeds|output|ray-address|cpus-per-trial|gpus-per-trial)\b"
)
"""Options that a message names without a value. What a user's own exception says stays as it is."""

SYNTAX = (
    (r"\{ int = \[low, high\] \}", "Int(low, high)"),
    (r"\{ float = \[low, high\] \}", "Float(low, high)"),
    (r"\{ choice = \[\.\.\.\] \}", "Choice(...)"),
    (r"\{ list = \{ \.\.\. \}, length = \[least, most\] \}", "List(..., length=(least, most))"),
    (r"should be a table; write \{ key = value, \.\.\. \}, or \[.*?\] with its keys below", "write a dictionary"),
    (r"(?<![\w.])(log|step|length|prior) = ", r"\1="),
    (r"\b(log)=true\b", r"\1=True"),
    (r"\[(data|model|config|space|trainer|callbacks|stop|logger)((?:\.\w+)*)\]", r"\1\2"),
    (r'" = \.\.\.', '": ...'),
    (r"\b(?:in|by) the file\b", "in this call"),
    (r"\bthe (?:study )?file (?=takes|no longer|nor)", "this call "),
)
"""TOML within a message, as Python writes it."""


def in_python_words(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Makes a function word its mistakes as Python does. Its first argument is ``study``; a file stays in TOML."""

    @functools.wraps(function)
    def call(*args: Arguments.args, **options: Arguments.kwargs) -> Result:
        try:
            return function(*args, **options)
        except UserError as error:
            of_file = isinstance(args[0] if args else options.get("study"), str | Path)
            error.mistakes = tuple(_reworded(one, of_file=of_file) for one in error.mistakes)
            raise

    return call


def as_python(text: str, *, of_file: bool = False) -> str:
    """A message in Python's words.

    Args:
        text: The message.
        of_file: Whether it is about a study file, which is TOML.
    """
    for pattern, words in OPTIONS if of_file else OPTIONS + SYNTAX:
        text = re.sub(pattern, words, text)
    return re.sub(OTHER_OPTIONS, lambda found: f"{_argument(found[1])}=...", text)


def _reworded(mistake: Mistake | str, *, of_file: bool) -> Mistake | str:
    if isinstance(mistake, str):
        return as_python(mistake, of_file=of_file)
    field = _argument(mistake.field[2:]) if mistake.field.startswith("--") else mistake.field
    return replace(mistake, field=field, hint=as_python(mistake.hint, of_file=of_file))


def _argument(option: str) -> str:
    return RENAMED.get(option, option).replace("-", "_")
