"""Small packages in the layout of OptunaHub, for the tests: in its cache, and as a registry that git downloads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

COUNTING = """
from optuna.samplers import RandomSampler

class CountingSampler(RandomSampler):
    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed)
        self.n_told = 0

    def after_trial(self, study, trial, state, values):
        self.n_told += 1
        super().after_trial(study, trial, state, values)
        study.set_user_attr("told", self.n_told)
"""
"""A sampler that counts in memory, and writes the number with the study."""

PACKAGES = {
    "samplers/counting": {
        "__init__.py": 'from ._sampler import CountingSampler\n__all__ = ["CountingSampler"]\n',
        "_sampler.py": COUNTING,
    },
    "samplers/several": {
        "__init__.py": "import optuna\nOne = type('One', (optuna.samplers.RandomSampler,), {})\n"
        "Other = type('Other', (optuna.samplers.RandomSampler,), {})\nfrom optuna.samplers import TPESampler\n"
        "def helper(): ...\n__all__ = ['One', 'Other', 'helper']\n",
    },
    "samplers/unlisted": {
        "__init__.py": "from optuna.samplers import RandomSampler\nclass Mine(RandomSampler): ...\n",
    },
    "samplers/none": {"__init__.py": "__all__ = []\n"},
    "samplers/raises": {"__init__.py": "import optuna\n\nraise ValueError('not today')\n"},
    "samplers/needs": {
        "__init__.py": "import not_installed_anywhere\n",
        "requirements.txt": "not_installed_anywhere\n",
    },
    "samplers/unfinished": {"README.md": "moved half-way\n"},
    "pruners/never": {
        "__init__.py": "from optuna.pruners import NopPruner\nclass NeverPruner(NopPruner): ...\n",
    },
}


def write_packages(root: Path) -> None:
    """Writes the packages below a folder: ``root/package/samplers/counting/__init__.py``."""
    for package, files in PACKAGES.items():
        for name, text in files.items():
            file = root / "package" / package / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def cache(folder: Path, monkeypatch: pytest.MonkeyPatch, ref: str = "main") -> Path:
    """Makes a folder OptunaHub's cache, without a way to GitHub; returns where the packages of a version are."""
    monkeypatch.setenv("OPTUNAHUB_CACHE_HOME", str(folder / "cache"))
    redirect(folder, monkeypatch, folder / "no-github")
    return folder / "cache" / "github.com" / "optuna" / "optunahub-registry" / ref


def redirect(folder: Path, monkeypatch: pytest.MonkeyPatch, to: Path) -> None:
    """Makes git read another place when it is asked for GitHub."""
    config = folder / "gitconfig"
    config.write_text(f'[url "file://{to}/"]\n  insteadOf = https://github.com/\n[protocol "file"]\n  allow = always\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))


def github(folder: Path) -> Path:
    """A folder in the place of GitHub, with a registry of the packages; returns it."""
    registry = folder / "github" / "optuna" / "optunahub-registry"
    registry.mkdir(parents=True)
    write_packages(registry)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-qb", "main"], ["add", "."], [*identity, "commit", "-qm", "packages"], ["tag", "v1.0"]):
        subprocess.run(["git", *words], cwd=registry, check=True)
    return folder / "github"
