"""A search from Python, in a script or in a notebook.

``lightsearch.search("studies/mnist.toml", n_trials=50)``, or, with a function of an Optuna trial,
``lightsearch.search(objective, n_trials=50, name="mine")``.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from rich.console import Console

from lightsearch.coordinator.pipeline import search as run_search
from lightsearch.coordinator.request import SearchRequest
from lightsearch.coordinator.search_result import SearchResult
from lightsearch.coordinator.stored_result import stored_result
from lightsearch.coordinator.trial_end import OnTrialEnd
from lightsearch.declare.callbacks import as_specs
from lightsearch.declare.from_python import Study, as_declaration
from lightsearch.declare.reading import check_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.study_name import study_name
from lightsearch.declare.values import as_plain
from lightsearch.display.display import Display, display_on
from lightsearch.display.failure import describe_failure
from lightsearch.errors import Mistake, UserError, did_you_mean
from lightsearch.launchers.ray import RayCluster
from lightsearch.outcome import EXIT_OF_SIGNAL
from lightsearch.python_words import in_python_words
from lightsearch.storage.urls import check_url, storage_url
from lightsearch.study.totals import N_TRIALS, UNLIMITED

if TYPE_CHECKING:
    from lightsearch.confirm.confirmation import Confirmation
    from lightsearch.confirm.record import Final
    from lightsearch.confirm.test_uses import Evaluation


@in_python_words
def search(
    study: Study,
    n_trials: int | None = None,
    *,
    epochs: int | None = None,
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
    """Searches, or continues a search, until the study has ``n_trials`` finished trials, or ``epochs``.

    Args:
        study: A study file's path, its content as a dictionary, or a function of a trial as in
            ``optuna.Study.optimize``. In a dictionary a class may stand in the place of its path:
            ``{"name": "mine", "model": MyNet, "data": {"class_path": MyData, "init_args": {...}}, ...}``.
        n_trials: The study's total of finished trials (complete and pruned); None: 50, or no limit with ``epochs``.
        epochs: The study's total of epochs, over all its trials; None: as many as the trials need.
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
            needs a name, and is maximised by default. ``sampler`` and ``pruner`` are a name, a class, or a dictionary
            with one of them as ``name`` and with ``init_args``.

    Returns:
        How the search ended, with ``.best``, ``.trials()``, ``.load_best_model()`` and ``.front``.

    Raises:
        UserError: with all mistakes in the declaration, the options, the data and the storage, before anything is
            stored.
        KeyboardInterrupt: after Ctrl-C, once everything is saved; after SIGTERM a ``SystemExit`` with the status 143.
            The same call continues the search, and ``load`` gives what there is.
    """
    request = SearchRequest(
        declared=_declared(study, callbacks, keys),
        n_trials=as_plain(n_trials) if n_trials is not None else N_TRIALS if epochs is None else UNLIMITED,
        epochs=as_plain(epochs),
        url=_url(storage),
        workers=as_plain(workers),
        threads=as_plain(threads),
        pack=as_plain(pack),
        timeout=as_plain(timeout),
        trial_timeout=as_plain(trial_timeout),
        data_dir=_absolute(data_dir),
        cluster=on,
        artifacts=artifacts,
        widen=widen,
        on_trial_end=on_trial_end,
    )
    result = _search_on_screen(request) if display is None else run_search(request, display)
    if result.signal is not None:
        _raise_signal(result.signal)
    return result


@in_python_words
def load(study: str | Path, *, storage: str | None = None, data_dir: str | Path | None = None) -> SearchResult:
    """Gives a study's result again, as the study is now. Another process may be searching meanwhile.

    Args:
        study: The study's name, or its file (``studies/mnist.toml``).
        storage: SQLAlchemy URL (else LIGHTSEARCH_STORAGE, else ``sqlite:///studies/studies.db``).
        data_dir: Folder of the data files (else LIGHTSEARCH_DATA, else each data class's default). It is needed for
            ``.load_best_model()`` only.

    Returns:
        What ``search`` returns. Its ``ending`` is that of the last search, or ``running``.

    Raises:
        UserError: if there is no such study, with the names of those that are there.
    """
    return stored_result(study_name(str(study)), _known(storage), _absolute(data_dir))


@in_python_words
def evaluate(
    study: str | Path, *, trial: int | None = None, storage: str | None = None, data_dir: str | Path | None = None
) -> list[Evaluation]:
    """Tests the study's best trial, or its Pareto front, and records with the study that the test set was used.

    Args:
        study: The study's name, or its file.
        trial: Number of a complete trial to test instead.
        storage: As for ``load``.
        data_dir: As for ``load``.

    Returns:
        What is recorded, one for each tested trial: ``metrics`` has what the model logged, ``ordinal`` how often the
        study's test set has been used.

    Raises:
        UserError: if there is no such study, complete trial, whole checkpoint, test data or ``test_step``.
    """
    from lightsearch.confirm.evaluation import evaluate

    options: dict[str, Any] = {"url": _known(storage), "data_dir": _absolute(data_dir)}
    numbers = _whole(0, optional=True, trial=trial)
    return evaluate(study_name(str(study)), say=Console(highlight=False).print, **numbers, **options)


@in_python_words
def retrain(
    study: str | Path,
    *,
    top: int = 3,
    seeds: int = 5,
    on: Literal["train+val", "train"] | None = None,
    trial: int | None = None,
    workers: int | None = None,
    output: str | Path | None = None,
    storage: str | None = None,
    data_dir: str | Path | None = None,
) -> tuple[Confirmation, Final]:
    """Confirms the leaders on fresh seeds, trains the best of them, tests it once and exports it.

    Args:
        study: The study's name, or its file.
        top: The number of leading configurations; the defaults are retrained as well.
        seeds: The number of fresh seeds for each configuration.
        on: What the final model is trained on; None: ``train+val`` if the data has a method ``join_val``.
        trial: Retrain the configuration of this trial only.
        workers: Runs at a time; None: fills the cores, or one per GPU.
        output: Folder of the results; None: ``reports/NAME``.
        storage: As for ``load``.
        data_dir: As for ``load``.

    Returns:
        The ranking with its verdict, and the final model's record, with its one ``evaluation``.

    Raises:
        UserError: if the study, its classes, its data or the output folder cannot be used, or all runs fail.
        KeyboardInterrupt: after Ctrl-C, and ``SystemExit`` after SIGTERM. The same call continues.
    """
    from lightsearch.confirm.display import RetrainDisplay
    from lightsearch.confirm.pool import Stopped
    from lightsearch.confirm.retrain import RetrainSettings, retrain

    numbers = _whole(1, top=top, seeds=seeds) | _whole(1, optional=True, workers=workers)
    numbers |= _whole(0, optional=True, trial=trial)
    if on not in (None, "train+val", "train"):
        raise UserError(Mistake("on", on, 'write "train+val" or "train"'))
    name, settings = study_name(str(study)), RetrainSettings(on=on, **numbers)
    folder = Path(output or Path("reports") / name).absolute()
    options: dict[str, Any] = {"url": _known(storage), "data_dir": _absolute(data_dir), "output": folder}
    console = Console(highlight=False)
    try:
        with RetrainDisplay(console) as display:
            return retrain(name, settings, display=display, **options)
    except Stopped as stopped:
        console.print("stopped, the runs that are done are saved; the same call continues")
        _raise_signal(stopped.number)


def _raise_signal(number: int) -> NoReturn:
    """Raises what the signal would have raised, had it not been awaited until everything was saved."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt from None
    raise SystemExit(EXIT_OF_SIGNAL + number) from None


def _declared(study: Study, callbacks: Sequence[Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the study file that a call describes."""
    if mistakes := [*_unknown(keys), *check_declaration({**(study if isinstance(study, Mapping) else {}), **keys})]:
        raise UserError(*mistakes)
    declared = as_declaration(study, **keys)
    if callbacks or "callbacks" in declared:
        declared["callbacks"] = as_specs([*declared.get("callbacks", ()), *callbacks])
    return declared


def _unknown(keys: Mapping[str, Any]) -> list[Mistake]:
    """The keys that are neither options of ``search`` nor keys of a study file, as a misspelt option is."""
    known = {field.alias or name for name, field in StudyFile.model_fields.items() if not field.exclude}
    names = known | (inspect.signature(search).parameters.keys() - {"study", "keys"})
    unknown = [key for key in keys if key not in known and key != "given"]
    return [Mistake(key, keys[key], f"unknown; {did_you_mean(key, names)}") for key in unknown]


def _whole(least: int, *, optional: bool = False, **numbers: Any) -> dict[str, Any]:
    """Whole numbers of a call, NumPy's as Python's.

    Raises:
        UserError: if one is none, or is below ``least``.
    """
    plain = {name: as_plain(value) for name, value in numbers.items()}
    wrong = {name: value for name, value in plain.items() if not (type(value) is int and value >= least)}
    if mistakes := [
        Mistake(name, value, f"write a whole number from {least}")
        for name, value in wrong.items()
        if value is not None or not optional
    ]:
        raise UserError(*mistakes)
    return plain


def _url(storage: str | None) -> str:
    """The storage of a call. It may hold a password, which nobody else reads, as they do the words of a command."""
    return storage_url(None) if storage is None else storage


def _known(storage: str | None) -> str:
    """The storage of a call, if it can be one at all."""
    if mistakes := check_url(_url(storage)):
        raise UserError(*mistakes)
    return _url(storage)


def _absolute(data_dir: str | Path | None) -> str | None:
    folder = data_dir or os.environ.get("LIGHTSEARCH_DATA")
    return str(Path(folder).absolute()) if folder else None


def _search_on_screen(request: SearchRequest) -> SearchResult:
    """Searches with the display that suits the screen, and shows what stopped the search."""
    with display_on(Console(highlight=False), request.declared, request.n_trials, request.epochs) as display:
        result = run_search(request, display)
        if result.failure is not None:
            display.message(f"stopped: {result.failure.reason}\nlast error:\n{describe_failure(result.failure)}")
        if result.unavailable is not None:
            display.message(f"stopped: {result.unavailable}")
        if result.signal is not None:
            name = result.study_file.name
            display.message(
                f"stopped, all is saved; the same call continues, lightsearch.load({name!r}) has the result"
            )
        return result
