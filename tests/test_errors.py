"""Errors that worker processes send to the coordinator."""

from __future__ import annotations

import pickle

import pytest
from sqlalchemy.exc import OperationalError

from lightsearch.errors import Mistake, ResourceUnavailable, StorageFailed, Untestable, UserError

ERRORS = [
    StorageFailed(OperationalError("SELECT 1", {}, RuntimeError("the server is gone\nand more"))),
    ResourceUnavailable("the disk is full"),
    UserError(Mistake("--workers", -1, "write 0 or more")),
    Untestable("the data has no test samples"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_of_a_worker_arrives_as_it_was(error: Exception) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived)) == (type(error), str(error))
    assert getattr(arrived, "reason", None) == getattr(error, "reason", None)
