"""A search from Python: ``lightsearch.search("studies/mnist.toml", n_trials=50)``, in a script or in a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle
from rich.console import Console

from lightsearch.progress import Display, display_on
from lightsearch.searching import SearchResult
from lightsearch.searching import search as run_search
from lightsearch.storage import storage_url
from lightsearch.study_file import StudyFile, classes_beside, read_declaration


def search(
    study: str | Path | Mapping[str, Any] | StudyFile,
    n_trials: int = 50,
    *,
    workers: int | None = None,
    pack: int | None = None,
    storage: str | None = None,
    timeout: float | None = None,
    trial_timeout: float | None = None,
    data_dir: str | Path | None = None,
    display: Display | None = None,
) -> SearchResult:
    """Searches, or goes on with a search, until the study has ``n_trials`` finished trials.

    Args:
        study: A study file's path, or what such a file says as a dictionary. There a class may stand in the place of
            its path: ``{"name": "mine", "model": MyNet, "data": {"class_path": MyData, "init_args": {...}}, ...}``.
        n_trials: The study's total of finished trials (complete and pruned).
        workers: Processes at a time; 0: one trial, in this process; None: fills the cores, or one a GPU.
        pack: Trials a process, trained together as one model; 1: each alone; None: where it pays.
        storage: SQLAlchemy URL (else LIGHTSEARCH_STORAGE, else ``sqlite:///studies/studies.db``).
        timeout: Seconds after which the search stops.
        trial_timeout: Seconds after which a trial is killed.
        data_dir: Folder of the data files (else LIGHTSEARCH_DATA, else each data class's default).
        display: Where progress is shown; None: in place on a terminal or in a notebook, in lines elsewhere.

    Returns:
        How it ended, with ``.best``, ``.trials()`` and ``.load_best_model()``, and ``.front`` of several objectives.

    Raises:
        UserError: everything that is wrong with the declaration, the data, the storage, before any of them is touched.
    """
    declared = _declaration(study)
    data_dir = data_dir or os.environ.get("LIGHTSEARCH_DATA")
    options: dict[str, Any] = {
        "n_trials": n_trials,
        "url": storage_url(None) if storage is None else storage,
        "workers": workers,
        "pack": pack,
        "timeout": timeout,
        "trial_timeout": trial_timeout,
        "data_dir": str(Path(data_dir).absolute()) if data_dir else None,
    }
    if display is not None:
        return run_search(declared, display=display, **options)
    with display_on(Console(highlight=False), declared, n_trials) as shown:
        result = run_search(declared, display=shown, **options)
        if result.failure is not None:
            shown.message(f"stopped: the same failure again and again\n{result.failure.traceback}")
        if result.blocked is not None:
            shown.message(f"stopped: {result.blocked}")
        return result


def _declaration(study: str | Path | Mapping[str, Any] | StudyFile) -> dict[str, Any]:
    """What a study file says, with paths in the places of classes."""
    if isinstance(study, StudyFile):
        return study.model_dump(by_alias=True, exclude_none=True)
    if isinstance(study, str | Path):
        classes_beside(Path(study))
        return read_declaration(Path(study), [])
    declared = dict(study)
    for section in ("model", "data"):
        spec = declared.get(section)
        if isinstance(spec, type):
            declared[section] = _named(spec, {})
        elif isinstance(spec, Mapping) and isinstance(spec.get("class_path"), type):
            declared[section] = _named(spec["class_path"], spec)
    return declared


def _named(cls: type, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A class by its path; one of a notebook or a script, which workers cannot import, is sent to them as well."""
    named = {**spec, "class_path": f"{cls.__module__}.{cls.__qualname__}"}
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        named["class_path"] = f"__main__.{cls.__name__}"
        named["given"] = cloudpickle.dumps(cls)
    return named
