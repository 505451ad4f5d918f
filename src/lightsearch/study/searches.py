"""The searches that run on a study. Each is registered in the storage, also while it has no trial that runs."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any, NamedTuple

from lightsearch.machine.owner import Owner, this_process
from lightsearch.storage.locks import storage_time
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.budget import Budget

PREFIX = "lightsearch:search:"
"""Beginning of the study's system attributes of which each describes a search."""

LEASE_SECONDS = 120.0
"""A search that was not renewed for this long is gone, even if it ran on another machine."""

RENEWAL_SECONDS = 20.0
"""How often a search renews its registration."""


class RunningSearch(NamedTuple):
    """A search that runs."""

    key: str
    """The system attribute that describes it."""
    owner: Owner
    """Its coordinator."""
    budget: Budget
    """What it runs to."""


class Registration:
    """The registration of one search. The caller of ``enter`` holds the study's lock.

    Args:
        storage: The storage.
        study_id: The study's id.
        budget: What the search runs to.
    """

    def __init__(self, storage: RetryingStorage, study_id: int, budget: Budget) -> None:
        self._storage = storage
        self._study_id = study_id
        self._key = PREFIX + uuid.uuid4().hex
        self._fields: dict[str, Any] = {"owner": this_process().model_dump(), **asdict(budget)}

    def enter(self) -> float:
        """Registers the search, and removes what searches that were killed have left; returns the storage's time."""
        for key in self._storage.get_study_system_attrs(self._study_id).keys() - {
            one.key for one in running_searches(self._storage, self._study_id)
        }:
            if key.startswith(PREFIX):
                self._storage.delete_study_system_attr(self._study_id, key)
        return self.renew()

    def renew(self) -> float:
        """Says that the search still runs; returns the storage's time."""
        now = storage_time(self._storage)
        self._storage.set_study_system_attr(self._study_id, self._key, {**self._fields, "lease": now + LEASE_SECONDS})
        return now

    def leave(self) -> None:
        """Removes the registration."""
        self._storage.delete_study_system_attr(self._study_id, self._key)


def running_searches(storage: RetryingStorage, study_id: int) -> list[RunningSearch]:
    """The searches that run on a study. One whose process is dead, or whose lease has ended, does not run."""
    attrs = {key: attr for key, attr in storage.get_study_system_attrs(study_id).items() if key.startswith(PREFIX)}
    if not attrs:
        return []
    now = storage_time(storage)
    found = [
        (RunningSearch(key, Owner.model_validate(attr["owner"]), _budget(attr)), float(attr["lease"]))
        for key, attr in attrs.items()
    ]
    return [search for search, lease in found if lease > now and not search.owner.is_dead()]


def _budget(attr: dict[str, Any]) -> Budget:
    return Budget(int(attr["n_trials"]), attr.get("epochs"))
