"""A search from Python, in a script or in a notebook.

``lightsearch.search("studies/mnist.toml", n_trials=50)``, or, with a function of an Optuna trial,
``lightsearch.search(objective, n_trials=50, name="mine")``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle
from rich.console import Console

from lightsearch.coordinator.pipeline import search as run_search
from lightsearch.coordinator.search_result import SearchResult
from lightsearch.declare.reading import check_declaration, classes_beside, read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.display.display import Display, display_on
from lightsearch.errors import Mistake, UserError
from lightsearch.launchers.ray import RayCluster
from lightsearch.storage.urls import storage_url

Study = str | Path | Mapping[str, Any] | StudyFile | Callable[[Any], float]


def search(
    study: Study,
    n_trials: int = 50,
    *,
    workers: int | None = None,
    threads: int | None = None,
    pack: int | None = None,
    storage: str | None = None,
    timeout: float | None = None,
    trial_timeout: float | None = None,
    data_dir: str | Path | None = None,
    on: RayCluster | None = None,
    artifacts: str | None = None,
    display: Display | None = None,
    **keys: Any,
) -> SearchResult:
    """Searches, or goes on with a search, until the study has ``n_trials`` finished trials.

    Args:
        study: A study file's path, or what such a file says as a dictionary. There a class may stand in the place of
            its path: ``{"name": "mine", "model": MyNet, "data": {"class_path": MyData, "init_args": {...}}, ...}``.
            Or a function of a trial, as ``optuna.Study.optimize`` takes it: it samples, may report and be pruned, and
            returns the value. Workers are sent the function, with whatever it refers to.
        n_trials: The study's total of finished trials (complete and pruned).
        workers: Processes at a time; 0: one trial, in this process; None: fills the cores, or one a GPU.
        threads: CPU threads of a process; None: what ``OMP_NUM_THREADS`` says, else the processes share the cores.
        pack: Trials a process, trained together as one model; 1: each alone; None: where it pays.
        storage: SQLAlchemy URL (else LIGHTSEARCH_STORAGE, else ``sqlite:///studies/studies.db``).
        timeout: Seconds after which the search stops.
        trial_timeout: Seconds after which a trial is killed.
        data_dir: Folder of the data files (else LIGHTSEARCH_DATA, else each data class's default).
        on: The Ray cluster that trials run on; None: this machine. ``workers`` are then the cluster's; None: as many as
            fit on its nodes.
        artifacts: Where trials' files are sent (an fsspec URL: ``s3://bucket/prefix``), for machines that share no
            folder; None: they stay in ``studies/``.
        display: Where progress is shown; None: in place on a terminal or in a notebook, in lines elsewhere.
        keys: Further keys of the study file, or others than it says: ``name="mine", direction="minimize", seed=1``. A
            function needs a name, and is maximised unless its direction is another.

    Returns:
        How it ended, with ``.best``, ``.trials()`` and ``.load_best_model()``, and ``.front`` of several objectives.

    Raises:
        UserError: everything that is wrong with the declaration, the data, the storage, before any of them is touched.
    """
    if mistakes := check_declaration({**(study if isinstance(study, Mapping) else {}), **keys}):
        raise UserError(*mistakes)
    declared = {**_declaration(study), **keys}
    data_dir = data_dir or os.environ.get("LIGHTSEARCH_DATA")
    options: dict[str, Any] = {
        "n_trials": n_trials,
        "url": storage_url(None) if storage is None else storage,
        "workers": workers,
        "threads": threads,
        "pack": pack,
        "timeout": timeout,
        "trial_timeout": trial_timeout,
        "data_dir": str(Path(data_dir).absolute()) if data_dir else None,
        "cluster": on,
        "artifacts": artifacts,
    }
    if display is not None:
        return run_search(declared, display=display, **options)
    with display_on(Console(highlight=False), declared, n_trials) as shown:
        result = run_search(declared, display=shown, **options)
        if result.failure is not None:
            shown.message(f"stopped: {result.failure.reason}\n{result.failure.told}")
        if result.unavailable is not None:
            shown.message(f"stopped: {result.unavailable}")
        return result


def _declaration(study: Study) -> dict[str, Any]:
    """What a study file says, with paths in the places of classes and functions."""
    if isinstance(study, StudyFile):
        return {**study.model_dump(by_alias=True, exclude_none=True, exclude_unset=True), "given": study.given}
    if isinstance(study, str | Path):
        classes_beside(Path(study))
        return read_declaration(Path(study), [])
    if isinstance(study, type):
        hint = "is a class; give a function of a trial, or a dictionary that names it: model = ..., data = ..."
        raise UserError(Mistake("study", study.__name__, hint))
    declared: dict[str, Any] = dict(study) if isinstance(study, Mapping) else {"objective": study}
    if callable(declared.get("objective")):
        declared |= _named_function(declared["objective"])
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


def _named_function(function: Any) -> dict[str, Any]:
    """A function by its path; where workers would not find it by that, it is sent to them as well."""
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is function:
        return {"objective": f"{module}.{name}"}
    name = re.sub(r"\W", "", getattr(function, "__name__", type(function).__name__))  # <lambda>
    return {"objective": f"__main__.{name}", "given": cloudpickle.dumps(function)}
