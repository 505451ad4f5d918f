"""A host: the process in which the members of packs live. In rounds, every member trains an epoch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch

from lightsearch import components
from lightsearch.outcome import Kind, kind_of
from lightsearch.packs import engines
from lightsearch.packs.data import shared
from lightsearch.packs.member import Lockstep, Member
from lightsearch.packs.modules import NotPackable
from lightsearch.study_file import StudyFile
from lightsearch.trial import Place


class Host:
    """Any number of members. Those with the same data, batch size included, are trained together.

    The senior of them decides the order of the batches: its own. So a pack of one trains as its trial would alone.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._data: dict[str, Any] = {}

    def add(self, number: int, run: Callable[[Place], object]) -> None:
        """Takes in a member; it joins the others at their next epoch.

        Args:
            number: The trial's.
            run: Runs the trial, in the place that it is given.
        """
        self.members.append(Member(number, lambda member: run(Place(self.build_data, [Lockstep(member)]))))

    def round(self) -> list[Member]:
        """Trains every member for an epoch; returns those that have ended before it."""
        for member in self.members:
            member.go_on()
        ended = [member for member in self.members if member.ended]
        self.members = [member for member in self.members if not member.ended]
        for member in self.members:
            if member.refused is None and (reason := engines.why_not(member.trainer, member.module)):
                member.refuse(reason)
        for pack in self.packs():
            self._train(pack)
        return ended

    def packs(self) -> list[list[Member]]:
        """Members that can be trained as one: of one kind, on the same data; the seniors first."""
        packs: dict[Hashable, list[Member]] = {}
        for member in self.members:
            if member.refused is None:
                key = (id(member.trainer.datamodule), engines.kind(member.module))
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
                member.go_on()
        self.members = []

    def build_data(self, study_file: StudyFile, sampled: dict[str, Any], data_dir: str | None) -> Any:
        """The study's data for a member, held once for all that sample the same arguments."""
        key = repr(sorted(sampled.items()))
        if key not in self._data:
            self._data[key] = shared(components.build_data(study_file, sampled, data_dir))
        return self._data[key]

    def _train(self, pack: list[Member]) -> None:
        """Trains members of one kind on the same data for an epoch."""
        senior = pack[0]
        torch.manual_seed(senior.epoch_seed)
        try:
            engines.train_epoch(pack, senior.trainer.datamodule.train_dataloader())
            for member in pack:
                member.follow(senior.epoch_seed)
        except NotPackable as reason:
            for member in pack:
                member.refuse(str(reason))
        except Exception as error:
            if len(pack) > 1 and kind_of(error) is Kind.OUT_OF_MEMORY:
                raise  # each may well fit by itself: this process ends, and they go on elsewhere
            for member in pack:
                member.stop(error)
