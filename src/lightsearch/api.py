"""A search from Python, in a script or in a notebook.

``lightsearch.search("studies/mnist.toml", n_trials=50)``, or, with a function of an Optuna trial,
``lightsearch.search(objective, n_trials=50, name="mine")``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lightsearch.coordinator.pipeline import search as run_search
from lightsearch.coordinator.request import SearchRequest
from lightsearch.coordinator.search_result import SearchResult
from lightsearch.coordinator.trial_end import OnTrialEnd
from lightsearch.declare.callbacks import as_specs
from lightsearch.declare.from_python import Study, as_declaration
from lightsearch.declare.reading import check_declaration
from lightsearch.display.display import Display, display_on
from lightsearch.errors import UserError
from lightsearch.launchers.ray import RayCluster
from lightsearch.storage.urls import storage_url


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
    widen: bool = False,
    display: Display | None = None,
    callbacks: Sequence[Any] = (),
    on_trial_end: OnTrialEnd | None = None,
    **keys: Any,
) -> SearchResult:
    """Searches, or continues a search, until the study has ``n_trials`` finished trials.

    Args:
        study: A study file's path, its content as a dictionary, or a function of a trial as in
            ``optuna.Study.optimize``. In a dictionary a class may stand in the place of its path:
            ``{"name": "mine", "model": MyNet, "data": {"class_path": MyData, "init_args": {...}}, ...}``.
        n_trials: The study's total of finished trials (complete and pruned).
        workers: Processes at a time; 0: one trial at a time in this process; None: fills the cores, or one per GPU.
        threads: CPU threads per process; None: ``OMP_NUM_THREADS``, else the processes share the cores.
        pack: Trials per process, trained together as one model; 1: one by one; None: packs where they are faster.
        storage: SQLAlchemy URL (else LIGHTSEARCH_STORAGE, else ``sqlite:///studies/studies.db``).
        timeout: Seconds after which the search stops.
        trial_timeout: Seconds after which a trial is killed.
        data_dir: Folder of the data files (else LIGHTSEARCH_DATA, else each data class's default).
        on: The Ray cluster that trials run on; ``workers`` are then the cluster's. None: this machine.
        artifacts: Where trials' files are sent (an fsspec URL: ``s3://bucket/prefix``), for machines that share no
            folder; None: they stay in ``studies/``.
        widen: Whether the study continues in the space of ``study`` if that is wider than its own: every earlier trial
            has to be in it.
        display: Where progress is shown; None: in place on a terminal or in a notebook, in lines elsewhere.
        callbacks: Lightning callbacks, of ``pytorch_lightning`` or of ``lightning.pytorch``, in addition to those of
            the study. Every trial gets a copy of its own, as it is now. They shape results: a study is continued with
            the same ones.
        on_trial_end: A function of the study and a finished trial, as in ``callbacks`` of ``optuna.Study.optimize``. It
            is called in this process after each trial that is complete, pruned or failed. ``study.stop()`` in it stops
            the search; so does an exception, which is then raised here. Trials that run are interrupted, and continue
            with the next search.
        keys: Keys of the study file that are added or replaced: ``name="mine", direction="minimize"``. A function
            needs a name, and is maximised by default.

    Returns:
        How the search ended, with ``.best``, ``.trials()``, ``.load_best_model()`` and ``.front``.

    Raises:
        UserError: with all mistakes in the declaration, the options, the data and the storage, before anything is
            stored.
    """
    if mistakes := check_declaration({**(study if isinstance(study, Mapping) else {}), **keys}):
        raise UserError(*mistakes)
    declared = {**as_declaration(study), **keys}
    if callbacks or "callbacks" in declared:
        declared["callbacks"] = as_specs([*declared.get("callbacks", ()), *callbacks])
    request = SearchRequest(
        declared=declared,
        n_trials=n_trials,
        url=storage_url(None) if storage is None else storage,
        workers=workers,
        threads=threads,
        pack=pack,
        timeout=timeout,
        trial_timeout=trial_timeout,
        data_dir=_absolute(data_dir or os.environ.get("LIGHTSEARCH_DATA")),
        cluster=on,
        artifacts=artifacts,
        widen=widen,
        on_trial_end=on_trial_end,
    )
    return _search_on_screen(request) if display is None else run_search(request, display)


def _absolute(folder: str | Path | None) -> str | None:
    return str(Path(folder).absolute()) if folder else None


def _search_on_screen(request: SearchRequest) -> SearchResult:
    """Searches with the display that suits the screen, and shows what stopped the search."""
    with display_on(Console(highlight=False), request.declared, request.n_trials) as display:
        result = run_search(request, display)
        if result.failure is not None:
            display.message(f"stopped: {result.failure.reason}\nlast error:\n{result.failure.details}")
        if result.unavailable is not None:
            display.message(f"stopped: {result.unavailable}")
        return result
