"""Members of packs that pause: they wait in memory, and go on there without a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lightsearch.outcome import Forgotten
from lightsearch.packs import host as host_module
from lightsearch.packs.host import Host
from lightsearch.packs.member import Member
from lightsearch.study.schedulers import Start
from lightsearch.training.inheritance import Inherit
from lightsearch.training.trial import Continuation, PackContext
from tests.packs.trials import Trial, classifier, digits_data, distance


def pausing(trial: Trial, epochs: int, errors: dict[int, BaseException] | None = None, *, inherits: Any = ...) -> Any:
    """Runs a trial that waits in its pack after some epochs; one of a population says what it begins from."""

    def run(context: PackContext) -> None:
        assert context.wait is not None
        try:
            if inherits is not ...:
                context = context._replace(callbacks=[Inherit(inherits), *context.callbacks])
            trial.train(context, pause_after=epochs)
        except BaseException as error:
            if errors is not None:
                errors[trial.seed - 1000] = error
            raise

    return run


def until_paused(host: Host, number: int) -> None:
    for _ in range(20):
        host.round()
        if number in host.paused:
            return
    raise AssertionError("it did not pause")


def test_a_member_goes_on_in_memory_while_the_others_train(tmp_path: Path, host: Host) -> None:
    packed = [Trial(tmp_path / "a", i, classifier(40 + 10 * i, 1e-3), digits_data) for i in range(2)]
    host.add(0, packed[0].train)
    host.add(1, pausing(packed[1], 2), continuation=Continuation(1, 2))
    until_paused(host, 1)
    assert [member.number for member in host.members] == [0]
    for _ in range(2):
        host.round()
    assert len(packed[1].log.history) == 2
    for file in packed[1].folder.glob("*.ckpt"):  # nothing of it is read
        file.unlink()
    host.add(1, lambda _: pytest.fail("it is in memory"), continuation=Continuation(2, 6))
    ended = {member.number: member.error for member in host.run()}
    assert ended == {0: None, 1: None}
    assert len(packed[1].log.history) == 6
    alone = Trial(tmp_path / "b", 1, classifier(50, 1e-3), digits_data).train(epoch_seeds=packed[1].epoch_seeds)
    assert distance(packed[1].model, alone.model) < 2e-3


def test_a_trial_takes_the_place_of_a_paused_one_before_the_others_train(tmp_path: Path, host: Host) -> None:
    first, pauses, second = (Trial(tmp_path, i, classifier(40, 1e-3), digits_data, epochs=3) for i in range(3))
    host.add(0, first.train)
    host.add(1, pausing(pauses, 1), continuation=Continuation(1, 1))
    host.round()
    assert [member.number for member in host.advance()] == [1]
    host.add(2, second.train)
    assert host.advance() == []
    assert [[member.number for member in pack] for pack in host.packs()] == [[0, 2]]
    host.train()
    assert [member.error for member in host.run()] == [None, None]
    assert [len(one.log.history) for one in (first, second)] == [3, 3]


def test_a_trial_that_went_on_elsewhere_is_forgotten(tmp_path: Path, host: Host) -> None:
    errors: dict[int, BaseException] = {}
    first = Trial(tmp_path / "a", 0, classifier(40, 1e-3), digits_data)
    host.add(0, pausing(first, 1, errors), continuation=Continuation(1, 1))
    until_paused(host, 0)
    later = Trial(tmp_path / "b", 0, classifier(40, 1e-3), digits_data, epochs=2)
    host.add(0, later.train, continuation=Continuation(3, 6))  # attempt 2 ran in another process
    assert isinstance(errors[0], Forgotten)
    assert [member.error for member in host.run()] == [None]
    assert len(first.log.history) == 1
    assert len(later.log.history) == 2


def test_the_earliest_pauses_are_forgotten_when_there_are_too_many(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module, "MAX_PAUSED", 1)
    errors: dict[int, BaseException] = {}
    for i in range(2):
        trial = Trial(tmp_path, i, classifier(40, 1e-3), digits_data)
        host.add(i, pausing(trial, 1 + i, errors), continuation=Continuation(1, 1 + i))
    until_paused(host, 1)
    assert set(host.paused) == {1}
    assert set(errors) == {0}


def test_a_host_that_ends_leaves_what_has_paused(tmp_path: Path, host: Host) -> None:
    trial = Trial(tmp_path, 0, classifier(40, 1e-3), digits_data)
    host.add(0, pausing(trial, 1), continuation=Continuation(1, 1))
    until_paused(host, 0)
    host.end()
    (member,) = host.paused.values()
    assert isinstance(member, Member)
    assert not member.ended
    member.forget()
    assert member.ended


def test_a_copy_begins_from_the_memory_of_its_parent(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breeding(folder: Path, hosts: Host) -> Trial:
        """Trains a parent for two epochs, and then a copy of it with a larger step size."""
        parent = Trial(folder, 0, classifier(40, 1e-3), digits_data)
        hosts.add(0, pausing(parent, 2, inherits=None), continuation=Continuation(1, 2))
        until_paused(hosts, 0)
        copy = Trial(folder, 1, classifier(40, 4e-3), digits_data)
        copy.seed = parent.seed
        if folder.name == "memory":
            for file in parent.folder.glob("*.ckpt"):
                file.unlink()
        else:
            monkeypatch.setattr(Member, "checkpoint", lambda *_: None)
            (parent.folder / "last.ckpt").rename(copy.folder / "parent.ckpt")
        start = Start(parent=0, epochs=2, replaces=7, generation=1, root=0)
        hosts.add(1, pausing(copy, 99, inherits="trial 0"), continuation=Continuation(1, 99), start=start)
        assert [member.error for member in hosts.run()] == [None]
        return copy

    one, other = breeding(tmp_path / "memory", host), breeding(tmp_path / "file", Host())
    assert [row["epoch"] for row in one.log.history] == [2, 3, 4, 5]
    assert torch.equal(one.curve("val_loss"), other.curve("val_loss"))
    assert distance(one.model, other.model) == 0.0
    (optimizer,) = torch.load(one.folder / "last.ckpt", weights_only=True)["optimizer_states"]
    assert optimizer["param_groups"][0]["lr"] == 4e-3
