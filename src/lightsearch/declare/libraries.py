"""Which modules are libraries', and which are the user's."""

from __future__ import annotations

import sysconfig
from pathlib import Path

STANDARD_LIBRARY = [Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")]

INSTALLED = {"site-packages", "dist-packages"}
"""Names of the folders of installed packages. An environment may see those of Python's and of the user's as well."""


def is_library(file: str) -> bool:
    """Whether a module's file belongs to the standard library or to an installed package.

    Args:
        file: The module's ``__file__``, or the file of a traceback's line.
    """
    path = Path(file).absolute()
    return not INSTALLED.isdisjoint(path.parts) or any(path.is_relative_to(folder) for folder in STANDARD_LIBRARY)
