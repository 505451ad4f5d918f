"""What only a server needs: its errors, its clock, and that it may be restarted."""

from __future__ import annotations

import threading
import time
import uuid
from pathlib import Path

import pytest

from lightsearch.errors import UserError
from lightsearch.storage import locks, opening
from lightsearch.storage.locks import LockLost, check_server, storage_lock
from lightsearch.storage.opening import open_storage
from lightsearch.study.assignment import NoTrialReason
from tests import postgresql
from tests.conftest import digits, open_queue
from tests.study.test_trial_queue import ask, complete


@pytest.fixture
def url(server: postgresql.Server) -> str:
    return server.database(f"test-{uuid.uuid4().hex}")


def test_a_server_that_refuses_is_one_line(
    url: str, server: postgresql.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (opening, locks):
        monkeypatch.setattr(module, "OPEN_SECONDS", 0.1)
    for refusing, reason in (
        (server.url("nowhere"), 'database "nowhere" does not exist'),
        (url.replace(postgresql.PASSWORD, "guess"), "password authentication failed"),
    ):
        (mistake,) = check_server(refusing)
        with pytest.raises(UserError) as refused:
            open_storage(refusing)
        for said in (str(mistake), str(refused.value)):
            assert reason in said
            assert "\n" not in said
            assert postgresql.PASSWORD not in said
            assert "guess" not in said


def test_leases_go_by_the_servers_clock(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    late, other = open_queue(digits(), tmp_path, url), open_queue(digits(), tmp_path, url)
    ask(late, 5)
    # A machine whose clock is an hour ahead takes nothing over.
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert ask(other, 5).number == 1


def test_a_lock_is_free_again_when_the_server_was_restarted_and_its_holder_knows(
    url: str, server: postgresql.Server
) -> None:
    open_storage(url)
    with storage_lock(url, "x") as check:
        check()
        server.kill()
        server.start()
        with pytest.raises(LockLost):
            check()
        with storage_lock(url, "x"):
            pass


def test_what_is_asked_of_a_server_that_was_restarted_is_done(
    tmp_path: Path, url: str, server: postgresql.Server
) -> None:
    queue = open_queue(digits(), tmp_path, url)
    trial = ask(queue, 2)
    server.kill()
    restart = threading.Timer(2.0, server.start)
    restart.start()
    complete(queue, trial, 0.5)
    restart.join()
    server.kill()
    server.start()
    complete(queue, ask(queue, 2), 0.6)
    assert [trial.value for trial in queue.study.trials] == [0.5, 0.6]
    assert queue.ask(2) is NoTrialReason.NONE
