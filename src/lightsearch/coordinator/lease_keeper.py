"""Renews the leases of running trials on a thread."""

from __future__ import annotations

import contextlib
import threading

from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.leases import RENEWAL_SECONDS
from lightsearch.study.trial_queue import TrialQueue


class LeaseKeeper:
    """Holds the assignments of running trials, and renews their leases while it is entered as a context manager.

    The renewal has a thread of its own because the main thread may be busy for longer than a lease: it samples, or
    trains a trial itself (``--workers 0``).

    Args:
        queue: The study.
    """

    def __init__(self, queue: TrialQueue) -> None:
        self._queue = queue
        self._held: dict[int, TrialAssignment] = {}
        self._lost: set[tuple[int, int]] = set()
        """Numbers and attempts of trials that another coordinator has taken over."""
        self._closed = threading.Event()

    def __enter__(self) -> LeaseKeeper:
        threading.Thread(target=self._keep_renewing, name="leases", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    def __getitem__(self, number: int) -> TrialAssignment:
        return self._held[number]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the trials that are held."""
        return list(self._held)

    def hold(self, assigned: TrialAssignment) -> None:
        """Renews a trial's lease from now on. A new attempt replaces the trial's last one."""
        self._held[assigned.number] = assigned

    def release(self, number: int) -> None:
        """Renews a trial's lease no longer."""
        del self._held[number]

    def is_lost(self, number: int) -> bool:
        """Whether another coordinator has taken a held trial over."""
        return (number, self._held[number].attempt) in self._lost

    def _keep_renewing(self) -> None:
        while not self._closed.wait(RENEWAL_SECONDS):
            # A failed renewal is harmless: the next comes before the lease ends, and the main thread sees the error.
            with contextlib.suppress(Exception):
                lost = self._queue.renew(list(self._held.values()))
                self._lost = {(assigned.number, assigned.attempt) for assigned in lost}
