"""Members of packs: they join, leave and fail without touching the others, and go on alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from lightsearch import Classifier
from lightsearch.outcome import Diverged, Interrupted, LeftPack
from lightsearch.packs.host import Host
from studies.examples.tabular import Regressor
from tests.packs.trials import Trial, classifier, digits_data, distance, run, table


def test_members_join_leave_and_fail_without_touching_the_others(tmp_path: Path, host: Host) -> None:
    makes = [classifier(40, 1e-3), classifier(30, 1e38), classifier(50, 2e-3), classifier(20, 1e-3)]
    lengths = [6, 6, 2, 4]
    packed, alone = (
        [Trial(tmp_path / side, i, makes[i], digits_data, epochs=lengths[i]) for i in range(4)] for side in "ab"
    )
    for i in (0, 1, 2):
        host.add(i, packed[i].train)
    ended = {member.number: member.error for _ in range(3) for member in host.round()}
    host.add(3, packed[3].train)  # the others are in their fourth epoch by now
    ended |= {member.number: member.error for member in host.run()}

    assert isinstance(ended.pop(1), Diverged)
    assert ended == {0: None, 2: None, 3: None}
    assert packed[3].epoch_seeds[0] == packed[0].seed << 16 | 3, "it joined in the leader's fourth epoch"
    assert packed[3].epoch_seeds[3] == packed[3].seed << 16 | 3, "and trained on by itself when that had ended"
    for i in (0, 2, 3):
        alone[i].train(epoch_seeds=packed[i].epoch_seeds)
        assert distance(packed[i].model, alone[i].model) < 2e-3


@pytest.mark.parametrize("engine", ["classifier", "modules"])
def test_a_member_leaves_within_an_epoch_without_touching_the_others(tmp_path: Path, host: Host, engine: str) -> None:
    make, data, metric = (lambda: Regressor(), table, "val_mse")
    if engine == "classifier":
        make, data, metric = classifier(40, 1e-3), digits_data, "val_acc"
    packed, whole = (
        [Trial(tmp_path / side, i, make, data, metric, epochs=4) for i in range(count)]
        for side, count in (("a", 3), ("b", 2))
    )
    for i, trial in enumerate(packed):
        host.add(i, trial.train)
    batches: list[int] = []
    left = []

    def leave_in_the_third_epoch() -> None:
        if any(member.in_turn for member in host.members):
            return
        batches.append(len(packed[2].log.history))
        if batches.count(2) == 2:
            host.leave(2)
            left.extend(host.take_ended())

    host.meanwhile = leave_in_the_third_epoch
    ended = [member.number for member in host.run()]
    assert [member.number for member in left] == [2]
    assert isinstance(left[0].error, Interrupted)
    assert sorted(ended) == [0, 1]
    assert len(packed[2].log.history) == 2
    host.meanwhile = lambda: None
    assert run(host, whole) == [None, None]
    for one, other in zip(packed, whole, strict=False):
        assert len(one.log.history) == 4
        assert distance(one.model, other.model) < 2e-3


def test_the_leader_leaves_within_an_epoch(tmp_path: Path, host: Host) -> None:
    packed = [Trial(tmp_path, i, classifier(40, 1e-3), digits_data, epochs=4) for i in range(2)]
    for i, trial in enumerate(packed):
        host.add(i, trial.train)

    def leave_in_the_second_epoch() -> None:
        if len(packed[0].log.history) == 1 and not any(member.in_turn for member in host.members):
            host.leave(0)

    host.meanwhile = leave_in_the_second_epoch
    ended = {member.number: member.error for member in host.run()}
    assert isinstance(ended[0], Interrupted)
    assert ended[1] is None
    seeds = [packed[0].seed << 16 | epoch for epoch in (0, 1)] + [packed[1].seed << 16 | epoch for epoch in (2, 3)]
    assert packed[1].epoch_seeds == seeds
    alone = Trial(tmp_path / "alone", 1, classifier(40, 1e-3), digits_data, epochs=4).train(epoch_seeds=seeds)
    assert distance(packed[1].model, alone.model) < 2e-3


def test_a_member_that_trains_alone_is_ended_in_its_turn(tmp_path: Path, host: Host) -> None:
    class Naps(Clipping):
        def training_step(self, batch: Any) -> Any:
            time.sleep(0.3)
            return super().training_step(batch)

    trials = [Trial(tmp_path, i, Naps, table, "val_mse", 1) for i in range(2)]
    for i, trial in enumerate(trials):
        host.add(i, trial.train)
    host.meanwhile = lambda: (host.leave(0), host.leave(1))  # type: ignore[assignment]
    ended = {member.number: member.error for member in host.run()}
    assert all(isinstance(error, Interrupted) for error in ended.values())
    assert not any(trial.log.history for trial in trials)


def test_a_member_goes_on_alone_from_its_checkpoint_and_the_other_way_round(tmp_path: Path, host: Host) -> None:
    def half(trial: Trial) -> Trial:
        trial.epochs = 3
        return trial

    def trial(side: str) -> Trial:
        return Trial(tmp_path / side, 0, classifier(40, 1e-3), digits_data)

    whole = trial("whole").train()
    first = half(trial("first"))
    assert run(host, [first, half(Trial(tmp_path / "first", 1, classifier(60, 1e-3), digits_data))]) == [None, None]
    first.epochs = 6
    first.train()  # alone, from its pack's checkpoint
    second = half(trial("second")).train()
    second.epochs = 6
    assert run(host, [second]) == [None]  # in a pack, from its own checkpoint
    for continued in (first, second):
        assert len(continued.log.history) == 6
        assert continued.model.trainer.global_step == whole.model.trainer.global_step
        assert distance(continued.model, whole.model) < 2e-3
    again = Classifier.load_from_checkpoint(first.folder / "best.ckpt", weights_only=True)
    assert again.hparams["hidden_size"] == 40


class Rated(Regressor):
    """Its training step depends on what is sampled."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def training_step(self, batch: Any) -> Any:
        return super().training_step(batch) * self.scale


class Counting(Regressor):
    def training_step(self, batch: Any) -> Any:
        self.seen = getattr(self, "seen", 0) + 1
        return super().training_step(batch)


@pytest.mark.parametrize(
    ("makes", "reason"),
    [
        ([lambda: Rated(1.0), lambda: Rated(2.0)], "asks for self.scale, in which the trials differ"),
        ([Counting, Counting], "keeps a state in self.seen"),
    ],
)
def test_what_turns_out_not_to_be_packable_leaves_its_pack(tmp_path: Path, host: Host, makes: Any, reason: str) -> None:
    trials = [Trial(tmp_path, i, make, table, "val_mse", 3) for i, make in enumerate(makes)]
    errors = run(host, trials)
    assert all(isinstance(error, LeftPack) and reason in str(error) for error in errors)
    for i, trial in enumerate(trials):
        host.add(i, trial.train, isolated=True)
    assert [member.error for member in host.run()] == [None, None]
    assert all(len(trial.log.history) == 3 and not trial.epoch_seeds for trial in trials)


class Clipping(Regressor):
    def on_before_optimizer_step(self, optimizer: Any) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)


def test_what_is_seen_not_to_be_packable_trains_alone_in_its_turn(tmp_path: Path, host: Host) -> None:
    packed, alone = ([Trial(tmp_path / side, i, Clipping, table, "val_mse", 3) for i in range(2)] for side in "ab")
    for i, trial in enumerate(packed):
        host.add(i, trial.train)
    host.round()
    assert all("has a on_before_optimizer_step of its own" in str(member.refused) for member in host.members)
    assert [member.error for member in host.run()] == [None, None]
    for together, by_itself in zip(packed, alone, strict=True):
        by_itself.train(epoch_seeds=together.epoch_seeds)
        assert distance(together.model, by_itself.model) < 1e-6
