"""Samplers and pruners of OptunaHub, by the names of their packages: ``hub:samplers/auto_sampler``.

optunahub downloads a package once, and then takes it from a folder of the user, without a network.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock

from lightsearch.compat.optunahub_cache import cache_home, package_folder
from lightsearch.errors import did_you_mean, first_line
from lightsearch.study.spec_error import SpecError, described

NAME = re.compile(r"hub:(?P<package>\w+(/\w+)+)(\.(?P<cls>\w+))?(@(?P<ref>\w+([./-]\w+)*))?")
"""``hub:PACKAGE``, ``hub:PACKAGE.Class`` if the package has several, and ``@REF`` for another version than that of the
registry's branch ``main``: a branch, a tag or a commit."""

MAIN = "main"
"""The branch of the registry that packages are taken from unless a name has another ``@REF``."""


LONGEST_REASON = 120
"""Characters of what git or GitHub's API says, at most."""


def find_hub_class(name: str, base: type) -> type:
    """The class that a package of OptunaHub exports. The package is downloaded, or taken from the user's cache.

    Args:
        name: ``hub:PACKAGE``, ``hub:PACKAGE.Class``, either with ``@REF``.
        base: ``BaseSampler`` or ``BasePruner``: the package's only class of this kind is taken.

    Raises:
        SpecError: if the name has another form, the package cannot be had or imported, or has no such class.
        ImportError: if the package needs another one that is not installed and that it does not name.
    """
    found = NAME.fullmatch(name)
    if found is None:
        hint = "write the name of a package of hub.optuna.org, such as hub:samplers/auto_sampler"
        raise SpecError("name", name, hint)
    package, wanted, ref = found["package"], found["cls"], found["ref"] or MAIN
    try:
        classes = _classes(_load(package, ref), base)
    except _NotLoaded as reason:
        raise SpecError("name", name, str(reason)) from None
    if wanted is None and len(classes) == 1:
        return next(iter(classes.values()))
    if wanted in classes:
        return classes[wanted]
    if not classes:
        raise SpecError("name", name, f"the package has no {base.__name__}; name another one")
    if wanted is not None:
        raise SpecError("name", name, f"the package has no {base.__name__} {wanted}; {did_you_mean(wanted, classes)}")
    example = f"hub:{package}.{next(iter(classes))}" + (f"@{ref}" if found["ref"] else "")
    raise SpecError("name", name, f"has several classes, {', '.join(classes)}; write one of them: {example}")


class _NotLoaded(Exception):
    """A package cannot be downloaded or imported. The message says why, and what to do."""


def _classes(module: ModuleType, base: type) -> dict[str, type]:
    """The classes of one kind that a package exports: those of ``__all__``, or its own."""
    exported = getattr(module, "__all__", None)
    found = {}
    for name in exported or vars(module):
        cls = getattr(module, name, None)
        is_own = exported is not None or str(getattr(cls, "__module__", "")).startswith(module.__name__)
        if isinstance(cls, type) and issubclass(cls, base) and not inspect.isabstract(cls) and is_own:
            found[name] = cls
    return found


@functools.cache
def _load(package: str, ref: str) -> ModuleType:
    """The module of a package, executed once in a process: each execution makes new classes."""
    try:
        folder = package_folder(package, ref)
        import optunahub
    except ImportError:
        raise _NotLoaded('needs optunahub, which is not installed: pip install "lightsearch[hub]"') from None
    try:
        with _alone():
            module: ModuleType = optunahub.load_module(package, ref=ref)
            return module
    except ImportError as error:
        if not (needed := folder / "requirements.txt").exists():
            raise
        hint = f"needs packages that are not installed: pip install -r {needed}"
        raise _NotLoaded(f"{hint} ({first_line(error)})") from None
    except Exception as error:  # of git, of GitHub's API, or of the package
        raise _NotLoaded(_problem(package, ref, folder, error)) from None


def _problem(package: str, ref: str, folder: Path, error: Exception) -> str:
    """Why a package cannot be downloaded or imported, and what to do."""
    if folder.exists() and not (folder / "__init__.py").exists():
        return f"is not complete in OptunaHub's cache; delete {folder}, and it is downloaded again"
    if folder.exists():
        return f"raises {described(error)} as it is imported"
    if isinstance(error, FileNotFoundError) or getattr(error, "status", None) == 404:
        return f"OptunaHub has no package {package} at {ref}; hub.optuna.org lists them"
    return (
        f"cannot be downloaded from GitHub ({_reason(error)}), and is not in OptunaHub's cache; run once with a "
        f"network, or copy {folder} from a machine that has it"
    )


def _reason(error: Any) -> str:
    """What git says was fatal, or the beginning of another message."""
    lines = str(getattr(error, "stderr", "")).strip(" \n'").splitlines()
    text = next((line.partition("fatal: ")[2] for line in lines if "fatal: " in line), first_line(error))
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "..."


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Lets one process at a time download, since optunahub moves the files of a package one by one."""
    try:
        home = cache_home()
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / ".lightsearch.lock")
        lock.acquire()
    except OSError:  # nobody can write there, and so nobody downloads
        yield
        return
    try:
        yield
    finally:
        lock.release()
