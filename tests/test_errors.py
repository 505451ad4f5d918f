"""Errors that worker processes send to the coordinator."""

from __future__ import annotations

import pickle

import pytest
from sqlalchemy.exc import OperationalError

from lightsearch.errors import Mistake, ResourceUnavailable, StorageFailed, Untestable, UserError, first_line

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


def test_the_first_line_of_an_error() -> None:
    assert first_line(ValueError("\n  wrong size \nshapes: ...")) == "wrong size"
    assert first_line("a message") == "a message"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError(" "), empty="") == ""
