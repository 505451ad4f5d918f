"""What users ask of a running search from other processes, read from the storage on a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection

from lightsearch.compat.optuna_trials import study_id_of
from lightsearch.launchers import Launcher
from lightsearch.storage.locks import study_lock
from lightsearch.study.budget import Budget
from lightsearch.study.requests import Requests, read_requests
from lightsearch.study.searches import RENEWAL_SECONDS, Registration
from lightsearch.study.trial_queue import TrialQueue

POLL_SECONDS = 0.3
"""How often requests are read: a running search begins to stop within a second."""


class UserRequests:
    """The requests to one search. While it is entered as a context manager, the search is registered with its study.

    Args:
        queue: The opened study.
        budget: What the search runs to.
        started: When the search was asked for, by ``time.monotonic``; None: now.
    """

    def __init__(self, queue: TrialQueue, budget: Budget, started: float | None = None) -> None:
        self._queue = queue
        self._study_id = study_id_of(queue.study)
        self._registration = Registration(queue.storage, self._study_id, budget)
        self._requests = Requests()
        self._started = time.monotonic() if started is None else started
        self._began = float("inf")
        """When the search was asked for, by the storage's clock. Earlier requests to stop are not for it."""
        self._launcher: Launcher | None = None
        self._running: Collection[int] = ()
        self._closed = threading.Event()

    def __enter__(self) -> UserRequests:
        queue = self._queue
        with study_lock(queue.url, queue.study_file.name, retry_seconds=queue.storage.retry_seconds):
            self._began = self._registration.enter() - (time.monotonic() - self._started)
        self._requests = read_requests(queue.storage, self._study_id)
        threading.Thread(target=self._keep_reading, name="requests", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        with contextlib.suppress(Exception):  # the storage may be gone; the registration ends with its lease
            self._registration.leave()

    @property
    def stop_asked(self) -> bool:
        """Whether the search is to stop."""
        return self._requests.stopped_at > self._began

    def is_withdrawn(self, number: int) -> bool:
        """Whether a trial is to end."""
        return number in self._requests.trials

    def watch(self, launcher: Launcher, running: Collection[int]) -> None:
        """Interrupts jobs that a launcher runs on the main thread, which therefore does not see the requests.

        Args:
            launcher: The launcher.
            running: The numbers of the running jobs, as they are at any time.
        """
        self._launcher, self._running = launcher, running

    def _keep_reading(self) -> None:
        renewed = time.monotonic()
        while not self._closed.wait(POLL_SECONDS):
            # A failed request is harmless: the next comes soon, and the main thread sees the error.
            with contextlib.suppress(Exception):
                self._read()
                if time.monotonic() - renewed > RENEWAL_SECONDS:
                    self._registration.renew()
                    renewed = time.monotonic()

    def _read(self) -> None:
        self._requests = read_requests(self._queue.storage, self._study_id)
        if self._launcher is not None and self._launcher.blocks:
            for number in list(self._running):
                if self.stop_asked or self.is_withdrawn(number):
                    self._launcher.stop(number)
