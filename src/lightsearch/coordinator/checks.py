"""The checks of a search: all mistakes are found before the storage is opened, the plain ones within a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightsearch.coordinator import on_ray
from lightsearch.coordinator.request import CheckedSearch, SearchRequest
from lightsearch.declare.init_from import check_init_from
from lightsearch.declare.reading import modules_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.display.display import Display
from lightsearch.errors import Mistake, UserError, as_unavailable
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.machine.cores import check_threads
from lightsearch.paths import check_folder, study_folder
from lightsearch.preflight.checks import Preflight, preflight
from lightsearch.preflight.dry_run import dry_run
from lightsearch.storage.artifacts import check_artifacts
from lightsearch.storage.locks import check_server
from lightsearch.storage.opening import open_storage
from lightsearch.storage.urls import check_url, sqlite_file
from lightsearch.study import sampler_checks
from lightsearch.study.learning import learn


def check(request: SearchRequest, display: Display) -> CheckedSearch:
    """Starts the server of worker processes, and checks a request.

    Args:
        request: A resolved request.
        display: Where it is shown that this takes seconds.

    Raises:
        UserError: with all mistakes in the declaration, the options and the storage's URL, at once; if there are none,
            with all mistakes in the classes and the data, which need torch.
    """
    server = ForkServer(modules_of(request.declared)) if request.workers != 0 else None
    study_file, mistakes = _check_request(request, display)  # while the server imports torch
    if study_file is None or mistakes:
        raise UserError(*mistakes)
    display.message("loading PyTorch, checking classes and data ...")
    facts: Preflight = _call(server, preflight, request.declared, request.data_dir)
    if request.workers == 0:
        mistakes += check_inline(request, facts.devices)
    if mistakes or facts.mistakes:
        raise UserError(*mistakes, *facts.mistakes)
    return CheckedSearch(request, study_file, facts, server)


def _check_request(request: SearchRequest, display: Display) -> tuple[StudyFile | None, list[Mistake]]:
    """The validated study, if its declaration is valid, and what is wrong with the request, as far as that is plain."""
    study_file, mistakes = validate(request.declared)
    mistakes += check_numbers(request) + check_threads(request.threads)
    mistakes += sampler_checks.check(request.declared, display.message) + check_init_from(request.declared)
    mistakes += check_storage(request.url, study_file)
    if request.artifacts is not None:
        mistakes += check_artifacts(request.artifacts)
    if request.cluster is not None:
        mistakes += on_ray.check_options(request, request.cluster)
    if request.widen and study_file is not None and study_file.objective is not None:
        hint = "a function declares its own ranges, and there is no [space] to widen; leave it out"
        mistakes.append(Mistake("--widen", study_file.objective, hint))
    if study_file is not None and not mistakes:
        mistakes += check_learning(request.url, study_file)
    return study_file, mistakes


def try_out(search: CheckedSearch, display: Display) -> None:
    """Prepares the data, and trains and validates one batch.

    Args:
        search: The search.
        display: Where notes are shown.

    Raises:
        UserError: if every trial would fail.
        ResourceUnavailable: if the machine does not let the data be prepared.
    """
    request, study_file = search.request, search.study_file
    if request.cluster is None:  # else each node prepares the data for its first trial
        _prepare_data(search)
    tried = dry_run(search.server, study_file, request.data_dir, request.trial_timeout)
    if tried.mistakes:
        raise UserError(*tried.mistakes)
    for note in tried.notes:
        display.message(note)


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
