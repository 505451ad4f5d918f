import multiprocessing
import time
from pathlib import Path

import pytest

from lightsearch.errors import ResourceUnavailable
from lightsearch.machine.owner import Owner
from lightsearch.outcome import Interrupted
from lightsearch.training import worker_lock
from lightsearch.training.worker_lock import AttemptGuard, sole_worker


def _work(folder: Path, sender: "multiprocessing.connection.Connection") -> None:
    with sole_worker(folder):
        sender.send("in")
        time.sleep(600)


@pytest.fixture
def at_work(tmp_path: Path) -> multiprocessing.Process:
    """A process that works in the folder."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(tmp_path, sender), daemon=True)
    process.start()
    assert receiver.recv() == "in"
    return process  # type: ignore[return-value]


def test_who_comes_later_ends_who_is_there(tmp_path: Path, at_work: multiprocessing.Process) -> None:
    with sole_worker(tmp_path):
        at_work.join(timeout=5)
        assert at_work.exitcode == -15


def test_a_worker_on_another_machine_is_waited_for_and_left_alone(
    tmp_path: Path, at_work: multiprocessing.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / ".worker.json"
    holder = Owner.model_validate_json(card.read_text())
    card.write_text(holder.model_copy(update={"boot": "elsewhere", "host": "node7"}).model_dump_json())
    monkeypatch.setattr(worker_lock, "ELSEWHERE_SECONDS", 0.5)
    with (
        pytest.raises(ResourceUnavailable, match=f"process {at_work.pid} on node7 is still running in"),
        sole_worker(tmp_path),
    ):
        pass
    assert at_work.is_alive()
    at_work.kill()


def test_the_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_worker(tmp_path):
            pass


def test_a_trial_that_was_given_to_another_ends() -> None:
    AttemptGuard(attempt=2, current=lambda: 2).on_validation_end(None, None)
    with pytest.raises(Interrupted, match="attempt 3 of this trial has begun elsewhere"):
        AttemptGuard(attempt=2, current=lambda: 3).on_validation_end(None, None)
