import multiprocessing
import os
import signal
import time

from lightsearch.machine.owner import Owner, this_process
from lightsearch.study.leases import is_stale


def _tell(sender: "multiprocessing.connection.Connection") -> None:
    sender.send(this_process().model_dump())
    time.sleep(600)


def test_a_killed_process_is_dead_and_a_living_one_is_not() -> None:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(sender,))
    process.start()
    owner = Owner.model_validate(receiver.recv())
    assert not owner.is_dead()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert owner.is_dead()


def test_a_later_process_with_the_same_id_is_another() -> None:
    me = this_process()
    assert not me.is_dead()
    assert me.model_copy(update={"started": me.started - 60}).is_dead()


def test_a_process_elsewhere_counts_as_living_until_its_lease_ends() -> None:
    # Another machine may have the same name; one run of one machine, and one container in it, is told by its boot id.
    owner = this_process().model_copy(update={"boot": "elsewhere", "started": 0.0}).model_dump()
    assert not is_stale({"owner": owner, "lease": 1060.0}, now=1000.0)
    assert is_stale({"owner": owner, "lease": 999.0}, now=1000.0)
    assert not is_stale({}, now=1000.0)
