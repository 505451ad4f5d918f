"""A host: the process in which the members of packs live. In rounds, every member trains an epoch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from lightsearch.declare.study_file import StudyFile
from lightsearch.machine import descriptors
from lightsearch.outcome import Kind, LeftPack, kind_of
from lightsearch.packs import engines
from lightsearch.packs.data import SharedData
from lightsearch.packs.member import Lockstep, Member
from lightsearch.packs.modules import NotPackable
from lightsearch.training import components
from lightsearch.training.seeding import seed_epoch
from lightsearch.training.trial import TrainerContext


class Host:
    """Any number of members. Those with the same data, batch size included, are trained together.

    The leader of them decides the order of the batches: its own. So a pack of one trains as its trial would alone.

    Args:
        proved: The forms of trials that a calibration has proved to train alike alone and in a pack; others train
            alone. None: every form is tried.
    """

    def __init__(self, proved: frozenset[str] | None = None) -> None:
        self.members: list[Member] = []
        self.proved = proved
        self._data: dict[str, SharedData] = {}
        self._probed: set[Hashable] = set()

    def add(self, number: int, run: Callable[[TrainerContext], object], *, isolated: bool = False) -> None:
        """Takes in a member; it joins the others at their next epoch.

        Args:
            number: The trial's.
            run: Runs the trial, in the place that it is given.
            isolated: Whether it trains as a trial that is in no pack, on data of its own.
        """
        build_data = components.build_data if isolated else self.build_data
        member = Member(number, lambda member: run(TrainerContext(build_data, [Lockstep(member)])))
        if isolated:
            member.refuse("it has left its pack")
        self.members.append(member)

    def round(self) -> list[Member]:
        """Trains every member for an epoch; returns those that have ended before it."""
        ended = self.advance()
        self.train()
        return ended

    def advance(self) -> list[Member]:
        """Lets every member come to its next epoch; returns those that have ended before it."""
        for member in self.members:
            member.resume()
            descriptors.check_guarded()  # before the next one meets with what this one has closed
        ended = [member for member in self.members if member.ended]
        self.members = [member for member in self.members if not member.ended]
        for member in self.members:
            if member.refused is None and (reason := self.incompatibility(member)):
                member.refuse(reason)
        return ended

    def train(self) -> None:
        """Trains the packs for the epoch that their members have come to."""
        for pack in self.packs():
            self._train(pack)

    def packs(self) -> list[list[Member]]:
        """Members that can be trained as one: of one form and size, on the same batches; the oldest first."""
        packs: dict[Hashable, list[Member]] = {}
        for member in self.members:
            if member.refused is None:
                key = (id(member.loader), member.trainer.num_training_batches, engines.batch_key(member.module))
                packs.setdefault(key, []).append(member)
        return list(packs.values())

    def run(self) -> Iterator[Member]:
        """Rounds until the last member has ended; yields them as they do."""
        while self.members:
            yield from self.round()

    def stop(self, number: int | None = None) -> None:
        """Has a member, or every one, end where it waits for its next epoch."""
        for member in self.members:
            if number in (None, member.number):
                member.stop()

    def end(self) -> None:
        """Ends all members, leaving their checkpoints; also one whose turn was cut off."""
        self.stop()
        for member in self.members:
            while not member.ended:
                member.resume()
        self.members = []

    def build_data(self, study_file: StudyFile, sampled: dict[str, Any], data_dir: str | None) -> Any:
        """The study's data for a member, held once for all that sample the same arguments."""
        key = repr(sorted(sampled.items()))
        if key not in self._data:
            self._data[key] = SharedData(components.build_data(study_file, sampled, data_dir))
        return self._data[key].copy()

    def incompatibility(self, member: Member) -> str | None:
        if (reason := engines.incompatibility(member.trainer, member.module)) is not None:
            return reason
        if self.proved is not None and engines.form(member.trainer, member.module) not in self.proved:
            return "no trial of its form was tried in a pack before the search"
        return None

    def _train(self, pack: list[Member]) -> None:
        """Trains members with equal batch keys on the same batches for an epoch.

        Whatever goes wrong, it may be of the pack's making: its members go on by themselves, from their checkpoints.
        """
        leader = pack[0]
        key = engines.batch_key(leader.module)
        seed_epoch(leader.epoch_seed)
        try:
            engines.train_epoch(pack, leader.batches(), probe=key not in self._probed)
        except Exception as error:
            if len(pack) > 1 and kind_of(error) is Kind.OUT_OF_MEMORY:
                raise  # each may well fit by itself: this process ends, and they go on elsewhere
            reason = str(error) if isinstance(error, NotPackable) else f"{type(error).__name__}: {error}"
            for member in pack:
                member.stop(LeftPack(reason))
            return
        self._probed.add(key)
        for member in pack:
            member.follow(leader.epoch_seed)
