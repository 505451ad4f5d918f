"""Messages in Python's words."""

from __future__ import annotations

import pytest

from lightsearch.python_words import as_python


@pytest.mark.parametrize(
    ("message", "in_python"),
    [
        (
            "a name of its own (--name nb-2), or undo the change (also with --set).",
            'a name of its own (name="nb-2"), or undo the change.',
        ),
        ("--widen changes [space] only.", "widen=True changes space only."),
        ("log = true needs a lower bound above 0", "log=True needs a lower bound above 0"),
        ("write { int = [low, high] } or { choice = [...] }", "write Int(low, high) or Choice(...)"),
        ("write 1, or --set trainer.devices=1", 'write 1, or trainer={"devices": 1}'),
        ("remove --on, or set --workers to 1 or more", "remove on=..., or set workers=... to 1 or more"),
        ("--workers 0 shows the traceback", "workers=0 shows the traceback"),
        ("fails with: unknown option --verbose", "fails with: unknown option --verbose"),
    ],
)
def test_a_message_has_the_words_of_a_call(message: str, in_python: str) -> None:
    assert as_python(message) == in_python


def test_a_message_about_a_study_file_keeps_its_syntax() -> None:
    assert as_python("log = true excludes step (--name a-2)", of_file=True) == 'log = true excludes step (name="a-2")'
