"""A search from its request to its result. The page to read."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, suppress

from lightsearch.coordinator.checks import check_classes, check_request, try_out
from lightsearch.coordinator.coordinator import Coordinator
from lightsearch.coordinator.launching import choose_launcher
from lightsearch.coordinator.on_ray import connected
from lightsearch.coordinator.packing import PackingChoice
from lightsearch.coordinator.request import CheckedSearch, SearchRequest
from lightsearch.coordinator.results import summarise
from lightsearch.coordinator.search_result import SearchResult
from lightsearch.coordinator.sizing import choose_size
from lightsearch.coordinator.stored_result import finished_result
from lightsearch.coordinator.user_requests import UserRequests
from lightsearch.display.display import Display
from lightsearch.errors import ResourceUnavailable
from lightsearch.paths import study_folder
from lightsearch.storage.opening import open_storage
from lightsearch.storage.study_artifacts import artifacts_of
from lightsearch.study import origin
from lightsearch.study.budget import Budget
from lightsearch.study.trial_queue import TrialQueue

FACTS = {"data", "device", "versions", "commit", "noticed"}
"""The facts of the preflight that are stored with the study."""


def search(request: SearchRequest, display: Display) -> SearchResult:
    """Searches, or continues a search, until the study has its total of finished trials.

    Args:
        request: What the user asks for.
        display: Where progress is shown.

    Raises:
        UserError: with all mistakes in the declaration, the options, the data and the storage, before anything is
            stored.
        ResourceUnavailable: if the machine does not let the search continue, as when the storage is gone.
        Exception: what ``request.on_trial_end`` raised, once the search has stopped and everything is saved.
    """
    started = time.monotonic()
    request = request.resolved()
    study_file = check_request(request, display)
    if (finished := finished_result(request, study_file)) is not None:
        return finished
    checked = check_classes(request, study_file, display)
    with ExitStack() as stack:
        packing = stack.enter_context(closing(PackingChoice(checked)))
        checked = try_out(checked, display, packing.begin)
        cluster = stack.enter_context(connected(checked, display))  # None: trials run on this machine
        queue = _open_queue(checked, display)
        with UserRequests(queue, Budget(request.n_trials, request.epochs), started) as requests:
            artifacts = artifacts_of(queue.study, request.artifacts)
            size = choose_size(checked, queue, cluster, packing, display)
            launcher = choose_launcher(checked, size, cluster, artifacts)
            coordinator = Coordinator(
                queue,
                launcher,
                display,
                n_trials=request.n_trials,
                epochs=request.epochs,
                timeout=request.timeout,
                trial_timeout=request.trial_timeout,
                data_dir=request.data_dir,
                artifacts=artifacts,
                on_trial_end=request.on_trial_end,
                requests=requests,
                packing=size.packing.reason,
            )
            ending = coordinator.run()
    if coordinator.trial_end.error is not None:
        raise coordinator.trial_end.error
    trials, attrs = queue.study.get_trials(deepcopy=False), queue.study.user_attrs
    if coordinator.unavailable is None:
        from lightsearch.report.notes import leave_notes  # not before the trials: what it imports takes a while

        with suppress(ResourceUnavailable):  # the next search leaves those that are missing
            leave_notes(queue.study)
    return SearchResult(
        ending=ending,
        results=summarise(trials, attrs, checked.study_file.name),
        study=queue.study,
        folder=queue.folder,
        stop_reason=coordinator.stop_watch.reason,
        failure=coordinator.failure,
        unavailable=coordinator.unavailable,
        signal=coordinator.loop.stop.number,
        study_file=checked.study_file,
        data_dir=request.data_dir,
    )


def _open_queue(search: CheckedSearch, display: Display) -> TrialQueue:
    """Opens or creates the study, and shows what has changed since the last search."""
    study_file, facts, url = search.study_file, search.facts, search.request.url
    queue = TrialQueue(study_file, open_storage(url), url, study_folder(study_file.name))
    stored = facts.model_dump(include=FACTS)
    for change in queue.open(stored, facts.baseline, defaults=facts.defaults, widen=search.request.widen):
        display.message(f"changed since the last run: {change}")
    if (line := origin.note(queue.study)) is not None:
        display.message(line)
    if study_file.objective is not None and not study_file.sampler.of_optuna:
        name = study_file.sampler.label
        display.message(
            f"{name} is made anew for every trial, since a function samples where it runs: it keeps no state"
        )
    return queue
