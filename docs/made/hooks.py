"""The parts of the documentation that are made from the code, at every build.

A page asks for a part with a comment on a line of its own: ``<!-- made: study file -->``.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "src")]

MADE = re.compile(r"^<!-- made: ([\w ]+) -->$", re.MULTILINE)

PARTS = {"study file": "study_file_keys", "commands": "command_options", "python": "python_names"}
"""Each part, and the module beside this one whose function ``markdown`` makes it."""


def on_config(config: Any) -> Any:
    """Lets the makers be imported. MkDocs calls it, and restores ``sys.path`` before, after loading this file."""
    sys.path[:0] = [folder for folder in FOLDERS if folder not in sys.path]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts the made parts into a page; MkDocs calls it."""
    return MADE.sub(lambda found: _maker(found[1])(), markdown)


def _maker(part: str) -> Callable[[], str]:
    maker: Callable[[], str] = importlib.import_module(PARTS[part]).markdown
    return maker
