"""Where optunahub keeps the packages that it has downloaded. Read in optunahub 0.5.0."""

from __future__ import annotations

import os
from pathlib import Path

REGISTRY = ("optuna", "optunahub-registry")
"""Owner and name of the repository of OptunaHub's packages."""


def cache_home() -> Path:
    """The folder of all downloaded packages: ``OPTUNAHUB_CACHE_HOME``, or in the user's folder of caches."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # else importing optunahub fails where git is not installed
    from optunahub import _conf

    return Path(_conf.cache_home())


def package_folder(package: str, ref: str) -> Path:
    """The folder of one package. If it exists, ``optunahub.load_module`` downloads nothing.

    Args:
        package: ``samplers/auto_sampler``.
        ref: The branch, tag or commit of the registry.
    """
    return cache_home().joinpath("github.com", *REGISTRY, ref, "package", package)
