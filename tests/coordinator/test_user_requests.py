"""Requests to a search that is still starting up."""

from __future__ import annotations

import time
from pathlib import Path

from lightsearch.compat.optuna_trials import study_id_of
from lightsearch.coordinator.user_requests import UserRequests
from lightsearch.study.budget import Budget
from lightsearch.study.requests import ask_to_stop
from tests.conftest import digits, open_queue


def test_a_search_stops_if_that_was_asked_while_it_started_up_and_not_before(place: Path) -> None:
    queue = open_queue(digits(), place)
    started = time.monotonic()
    ask_to_stop(queue.storage, study_id_of(queue.study))
    with UserRequests(queue, Budget(1), started) as starting:
        assert starting.stop_asked
    with UserRequests(queue, Budget(1)) as later:
        assert not later.stop_asked
