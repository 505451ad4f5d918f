"""What a node is like. Ray sends these functions to the nodes, where lightsearch need not be installed."""

from __future__ import annotations

import os
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("lightsearch", "torch", "pytorch-lightning", "optuna")
"""Packages whose versions must be the same everywhere: results, or the objects that are sent, depend on them."""


def node_report(probe: str | None, data_dir: str | None, data: dict[str, int] | None) -> dict[str, Any]:
    """Describes the node on which it runs.

    Args:
        probe: A file that the node must see.
        data_dir: Folder of the data files.
        data: The files that are in it elsewhere, and their sizes in bytes; None: only the folder must exist.

    Returns:
        ``host``, ``boot``, ``versions``, ``sees_probe`` and ``has_data``. A plain dictionary: the driver cannot read
        classes that Ray has sent with this function.
    """
    return {
        "host": socket.gethostname(),
        "boot": boot(),
        "versions": versions(),
        "sees_probe": probe is None or os.path.exists(probe),  # noqa: PTH110
        "has_data": data_dir is None or _same_files(Path(data_dir), data),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of ``PACKAGES`` on this machine; packages that are not installed are left out."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def boot() -> str:
    """Identifies this machine from its start to its shutdown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:  # no Linux
        return socket.gethostname()


def _same_files(folder: Path, data: dict[str, int] | None) -> bool:
    if data is None:
        return folder.is_dir()
    try:
        return all((folder / name).stat().st_size == size for name, size in data.items())
    except OSError:
        return False
