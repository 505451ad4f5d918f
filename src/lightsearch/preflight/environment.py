"""What results depend on besides the study: the device, versions of packages, the git commit."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version

PACKAGES = ("lightsearch", "torch", "torchvision", "pytorch-lightning", "optuna")
GIT_SECONDS = 10.0
"""How long git may take."""


def device_name() -> str:
    """The accelerator's name, or the processor's."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def commit() -> str | None:
    """The git commit of the current folder, with ``-dirty`` if files differ from it; None: no repository."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout.strip() or None
