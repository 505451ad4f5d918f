"""``lightsearch enqueue``: a configuration to run next."""

from __future__ import annotations

import ast
import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightsearch.cli.command import STUDY_HELP, Storage, console, run_command, study_name
from lightsearch.errors import Mistake, UserError

if TYPE_CHECKING:
    from lightsearch.study.enqueueing import Enqueued


def main(
    values: Annotated[
        list[str],
        typer.Argument(help="Values of parameters: lr=1e-3 width=64; the others are sampled.", metavar="NAME=VALUE"),
    ],
    study: Annotated[str, typer.Option(help=STUDY_HELP)] = "digits",
    storage: Storage = None,
) -> None:
    """Add a configuration to a study, to be run next. A search may run on the study."""
    from lightsearch.display.wording import describe_params
    from lightsearch.storage.opening import open_storage
    from lightsearch.storage.urls import storage_url
    from lightsearch.study.enqueueing import enqueue
    from lightsearch.study.stored import find_study

    params, url = _params(values), storage_url(storage)
    opened = open_storage(url, create=False)
    found = find_study(opened, study_name(study))
    enqueued = enqueue(found, opened, url, params)
    screen = console()
    line = f"enqueued as trial {enqueued.number} of {found.study_name}: {describe_params(params)}"
    screen.print(line, markup=False, soft_wrap=True)
    screen.print(_what_follows(enqueued, study, url), markup=False, soft_wrap=True)


def _params(values: list[str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    mistakes = []
    for given in values:
        name, equals, text = given.partition("=")
        try:
            if not equals:
                raise ValueError
            if name in params:
                mistakes.append(Mistake(name, text, "is given twice"))
            params[name] = _value(text)
        except ValueError:
            mistakes.append(Mistake("NAME=VALUE", given, "write the name of a parameter and its value, as in lr=1e-3"))
    if mistakes:
        raise UserError(*mistakes)
    return params


def _value(text: str) -> Any:
    """A value as in TOML, a number or a boolean as in Python (``.001``, ``True``), or a bare word.

    Raises:
        ValueError: if it is none of these.
    """
    from lightsearch.declare.reading import parsed_value

    value = parsed_value(text)
    if value == text:  # a bare word
        with contextlib.suppress(ValueError, SyntaxError):
            as_python = ast.literal_eval(text)
            return as_python if isinstance(as_python, bool | int | float) else value
    return value


def _what_follows(enqueued: Enqueued, study: str, url: str) -> str:
    """Who runs the configuration, and when."""
    from lightsearch.display.wording import counted
    from lightsearch.study.totals import UNLIMITED

    after = f", after {enqueued.waiting} others that wait" if enqueued.waiting > 1 else ""
    after = ", after another one that waits" if enqueued.waiting == 1 else after
    if enqueued.is_taken:
        total = "total" if enqueued.running_to in (None, UNLIMITED) else counted(enqueued.running_to, "trial")
        return f"the running search takes it next{after}; it counts towards its {total}"
    why = "no search runs on the study"
    if enqueued.running_to is not None:
        why = f"the running search ends with {counted(enqueued.running_to, 'trial')}"
    command = run_command(study, url, f"--n-trials {enqueued.total}")
    return f"{why}; this runs it{after} (--n-trials is the study's total, this one included):\n  {command}"
