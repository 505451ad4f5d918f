"""The checks of a search: all mistakes are found before the storage is opened, the plain ones within a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lightsearch.coordinator import on_ray
from lightsearch.coordinator.request import CheckedSearch, SearchRequest
from lightsearch.declare.init_from import check_init_from
from lightsearch.declare.reading import modules_of
from lightsearch.declare.scheduling import NO_SCHEDULER
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.display.display import Display
from lightsearch.errors import Mistake, UserError, as_unavailable
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.machine.cores import check_threads
from lightsearch.paths import check_folder, study_folder
from lightsearch.preflight.checks import Preflight, preflight
from lightsearch.preflight.dry_run import dry_run
from lightsearch.preflight.pause import why_no_pause
from lightsearch.storage.artifacts import check_artifacts
from lightsearch.storage.locks import check_server
from lightsearch.storage.opening import open_storage
from lightsearch.storage.urls import check_url, sqlite_file
from lightsearch.study import sampler_checks
from lightsearch.study.learning import learn
from lightsearch.study.preparing import prepare_for


def check_request(request: SearchRequest, display: Display) -> StudyFile:
    """Checks what can be checked without torch: the declaration, the options and the storage's URL.

    Args:
        request: A resolved request.
        display: Where notes are shown.

    Returns:
        The validated study.

    Raises:
        UserError: with all mistakes at once.
    """
    study_file, mistakes = _look_for_mistakes(request, display)
    if study_file is None or mistakes:
        raise UserError(*mistakes)
    return study_file


def check_classes(request: SearchRequest, study_file: StudyFile, display: Display) -> CheckedSearch:
    """Starts the server of worker processes, unless it runs already, and checks the classes and the data there.

    Args:
        request: A resolved request.
        study_file: Its validated study.
        display: Where it is shown that this takes seconds.

    Raises:
        UserError: with all mistakes at once.
    """
    display.message("loading PyTorch, checking classes and data ...")
    server = None
    if request.workers != 0:
        server = ForkServer(modules_of(request.declared))
        prepare_for(study_file)  # while the server imports torch
    facts: Preflight = _call(server, preflight, request.declared, request.data_dir)
    mistakes = check_inline(request, facts.devices) if request.workers == 0 else []
    if mistakes or facts.mistakes:
        raise UserError(*mistakes, *facts.mistakes)
    return CheckedSearch(request, study_file, facts, server)


def _look_for_mistakes(request: SearchRequest, display: Display) -> tuple[StudyFile | None, list[Mistake]]:
    """The validated study, if its declaration is valid, and what is wrong with the request, as far as that is plain."""
    study_file, mistakes = validate(request.declared)
    mistakes += check_numbers(request) + check_threads(request.threads)
    mistakes += sampler_checks.check(request.declared, display.message) + check_init_from(request.declared)
    mistakes += check_storage(request.url, study_file)
    if request.artifacts is not None:
        mistakes += check_artifacts(request.artifacts)
    if request.cluster is not None:
        mistakes += on_ray.check_options(request, request.cluster)
    if study_file is not None and study_file.scheduler is not None and study_file.scheduler.name == "pbt":
        mistakes += check_pbt(request)
    if request.epochs is not None and study_file is not None and study_file.objective is not None:
        hint = "a function need not report its epochs, so that they cannot be counted; write --n-trials"
        mistakes.append(Mistake("--epochs", request.epochs, hint))
    if request.widen and study_file is not None and study_file.objective is not None:
        hint = "a function declares its own ranges, and there is no [space] to widen; leave it out"
        mistakes.append(Mistake("--widen", study_file.objective, hint))
    if study_file is not None and not mistakes:
        mistakes += check_learning(request.url, study_file)
    return study_file, mistakes


def try_out(search: CheckedSearch, display: Display, once_it_trains: Callable[[], None]) -> CheckedSearch:
    """Prepares the data, trains and validates one batch, and rehearses a pause.

    Args:
        search: The search.
        display: Where notes are shown.
        once_it_trains: Called before the rehearsal, if there is no mistake.

    Returns:
        The search; without a scheduler if its trials would not go on as if they had not paused.

    Raises:
        UserError: if every trial would fail, or a declared scheduler cannot pause trials.
        ResourceUnavailable: if the machine does not let the data be prepared.
    """
    request, study_file = search.request, search.study_file
    if request.cluster is None and search.facts.prepares:  # each node of a cluster prepares it for its first trial
        _prepare_data(search)
    tried = dry_run(search.server, study_file, request.data_dir, request.trial_timeout)
    if tried.mistakes:
        raise UserError(*tried.mistakes)
    for note in tried.notes:
        display.message(note)
    once_it_trains()
    reason = why_no_pause(search.server, study_file, request.data_dir, request.trial_timeout, tried)
    if reason is None:
        return search
    if study_file.scheduler is not None:
        raise UserError(Mistake("scheduler.name", study_file.scheduler.name, f'{reason}; or write "none"'))
    display.message(f"trials do not pause, and TPESampler and MedianPruner search: {reason}")
    return replace(search, study_file=study_file.model_copy(update={"scheduler": NO_SCHEDULER}))


def check_numbers(request: SearchRequest) -> list[Mistake]:
    """Returns what is wrong with a request's numbers. Those of a command are valid already, those from Python not."""
    mistakes = []
    for name, least in (("n_trials", 1), ("epochs", 1), ("workers", 0), ("pack", 1)):
        value = getattr(request, name)
        if (value is not None or name == "n_trials") and not (type(value) is int and value >= least):
            mistakes.append(Mistake(name, value, f"write a whole number from {least}"))
    for name in ("timeout", "trial_timeout"):
        value = getattr(request, name)
        if value is not None and not (type(value) in (int, float) and value > 0):
            mistakes.append(Mistake(name, value, "write seconds, a number above 0"))
    return mistakes


def check_storage(url: str, study_file: StudyFile | None) -> list[Mistake]:
    """Returns what is wrong with the storage's URL or the study's folder.

    Args:
        url: The storage.
        study_file: The declared study; None: its declaration is wrong.
    """
    url_mistakes = check_url(url)
    mistakes = url_mistakes or check_server(url)
    if study_file is not None:
        mistakes += check_folder(study_folder(study_file.name), None if url_mistakes else sqlite_file(url))
    return mistakes


def check_learning(url: str, study_file: StudyFile) -> list[Mistake]:
    """Returns why there is nothing to learn from the earlier studies that a study names. Nothing is written.

    Args:
        url: The storage; it is a valid one.
        study_file: The declared study.
    """
    if not study_file.learn_from:
        return []
    file = sqlite_file(url)
    if file is not None and not file.exists():
        hint = f"no such study: there is no storage {file} yet; take it out, or name the storage that has it"
        return [Mistake("learn_from", name, hint) for name in study_file.learn_from]
    storage = open_storage(url)
    try:
        learn(storage, study_file)
    except UserError as error:
        return [one for one in error.mistakes if isinstance(one, Mistake)]
    return []


def check_pbt(request: SearchRequest) -> list[Mistake]:
    """Returns what a request asks for that population based training cannot do: its trials need each other's files.

    Args:
        request: The request.
    """
    hint = 'pbt copies files between trials in the study\'s folder; leave it out, or write scheduler.name = "asha"'
    mistakes = []
    if request.artifacts is not None:
        mistakes.append(Mistake("--artifacts", request.artifacts, hint))
    if request.cluster is not None:
        mistakes.append(Mistake("--on", "ray", hint))
    return mistakes


def check_inline(request: SearchRequest, devices: int) -> list[Mistake]:
    """Returns what a request asks for that ``--workers 0`` cannot do.

    Args:
        request: The request.
        devices: Devices, or processes on the CPU, per trial.
    """
    mistakes = []
    if devices > 1:
        hint = f"a trial on {devices} devices is as many processes; write 1, or --set trainer.devices=1"
        mistakes.append(Mistake("--workers", request.workers, hint))
    if request.trial_timeout is not None:
        hint = "with --workers 0 a trial runs in this process, which cannot be killed; write --workers 1"
        mistakes.append(Mistake("--trial-timeout", request.trial_timeout, hint))
    return mistakes


def _prepare_data(search: CheckedSearch) -> None:
    """Prepares the data before anything is stored and before any trial's time begins."""
    try:
        _call(search.server, _call_prepare_data, search.study_file, search.request.data_dir)
    except Exception as error:  # any other error will be raised again in the dry run, which reports it
        if (reason := as_unavailable(error)) is not None:
            raise reason from error


def _call_prepare_data(study_file: StudyFile, data_dir: str | None) -> None:
    """Calls ``prepare_data``, imported where it runs."""
    from lightsearch.training.components import prepare_data

    prepare_data(study_file, data_dir)


def _call(server: ForkServer | None, function: Callable[..., Any], *args: Any) -> Any:
    return function(*args) if server is None else server.call(function, *args)
