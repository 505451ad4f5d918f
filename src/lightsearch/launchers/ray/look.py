"""Finds out what a node is like. Ray sends the functions themselves there: lightsearch need not be installed."""

from __future__ import annotations

import os
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("lightsearch", "torch", "pytorch-lightning", "optuna")
"""Packages that must be the same everywhere: results depend on them, or what is sent does."""


def versions() -> dict[str, str]:
    """Versions of Python and of the packages, here; what is not installed is left out."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def boot() -> str:
    """Names this run of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:  # no Linux
        return socket.gethostname()


def look(probe: str | None, data_dir: str | None, data: dict[str, int] | None) -> dict[str, Any]:
    """What this node is like.

    Args:
        probe: A file that it must see.
        data_dir: Folder of the data files.
        data: The files that are in it elsewhere, and their sizes in bytes; None: that it is there will do.
    """
    return {
        "host": socket.gethostname(),
        "boot": boot(),
        "versions": versions(),
        "sees_probe": probe is None or os.path.exists(probe),  # noqa: PTH110
        "has_data": data_dir is None or _same_files(Path(data_dir), data),
    }


def _same_files(folder: Path, data: dict[str, int] | None) -> bool:
    if data is None:
        return folder.is_dir()
    try:
        return all((folder / name).stat().st_size == size for name, size in data.items())
    except OSError:
        return False
