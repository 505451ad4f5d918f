"""A host: the process that trains the members of packs. In each round, every member trains one epoch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from lightsearch.declare.study_file import StudyFile
from lightsearch.machine import descriptors
from lightsearch.outcome import Kind, LeftPack, kind_of
from lightsearch.packs import engines
from lightsearch.packs.data import SharedData
from lightsearch.packs.member import Lockstep, Member
from lightsearch.packs.not_packable import NotPackable
from lightsearch.study.schedulers import Start
from lightsearch.training import components
from lightsearch.training.seeding import seed_epoch
from lightsearch.training.trial import Continuation, PackContext

MAX_PAUSED = 8
"""Trials that wait in memory after a pause, at most: each has its model and its optimizer there."""


class Host:
    """Any number of members. Members with the same data, batch size included, train as one pack.

    The oldest member of a pack is its leader. Its seed decides the order of the batches. So a pack of one member trains
    as the trial does alone.

    Args:
        proved: The structures of trials that a calibration has proved to train in a pack as they do alone. Other trials
            train alone. None: every structure is tried.
    """

    def __init__(self, proved: frozenset[str] | None = None) -> None:
        self.members: list[Member] = []
        self.paused: dict[int, Member] = {}
        """The members whose trials have paused, by number, the earliest first."""
        self.proved = proved
        self.data: dict[str, SharedData] = {}
        """The data of the members, by its sampled arguments."""
        self.meanwhile: Callable[[], None] = lambda: None
        """Called between batches, and now and then while a member has its turn. It may call ``leave`` and
        ``take_ended``."""
        self._probed: set[Hashable] = set()

    def add(
        self,
        number: int,
        run: Callable[[PackContext], object],
        *,
        isolated: bool = False,
        continuation: Continuation | None = None,
        start: Start | None = None,
    ) -> None:
        """Adds a member; it joins the others at their next epoch.

        Args:
            number: The trial's number.
            run: Runs the trial in the given context.
            isolated: Whether it trains outside of packs, on its own data.
            continuation: How a trial continues that may have paused here; None: it runs until it ends.
            start: Where it begins, if that is the checkpoint of another trial, which may have paused here.
        """
        if (paused := self.paused.pop(number, None)) is not None:
            if continuation is not None and not isolated and paused.is_followed_by(continuation):
                paused.go_on(continuation)
                self.members.append(paused)
                return
            paused.forget()  # it went on elsewhere
        build_data = components.build_data if isolated else self.build_data
        attempt = continuation.attempt if continuation is not None else 1
        parent = None if start is None else self._checkpoint_of_parent(start)
        member = Member(
            number, lambda member: run(PackContext(build_data, [Lockstep(member)], member.wait_paused, parent)), attempt
        )
        if isolated:
            member.refuse("it has left its pack")
        self.members.append(member)

    def round(self) -> list[Member]:
        """Trains every member for an epoch; returns the members that have ended before it."""
        ended = self.advance()
        self.train()
        return ended

    def advance(self) -> list[Member]:
        """Lets every member run up to its next epoch, unless it is there; returns those that have ended before it."""
        for member in self.members:
            if not member.ended and not member.at_epoch:  # it may have left in another one's turn
                member.resume(self.meanwhile)
            descriptors.check_guarded()  # before the next member uses what this one has closed
        for member in self.members:
            if member.stopping and not member.ended:  # it was asked in the turn of a later one
                member.leave()
        ended = self.take_ended()
        for member in self.members:
            if member.refused is None and (reason := self.incompatibility(member)):
                member.refuse(reason)
        return ended

    def train(self) -> None:
        """Trains every pack for the epoch that its members have reached."""
        for pack in self.packs():
            self._train(pack)
        for member in self.members:
            member.at_epoch = False

    def packs(self) -> list[list[Member]]:
        """The members that can train as one: equal batch keys, the same batches; the oldest first."""
        packs: dict[Hashable, list[Member]] = {}
        for member in self.members:
            if member.refused is None:
                key = (id(member.loader), member.trainer.num_training_batches, engines.structure_key(member.module))
                packs.setdefault(key, []).append(member)
        return list(packs.values())

    def run(self) -> Iterator[Member]:
        """Runs rounds until the last member has ended; yields each member when it ends."""
        while self.members:
            yield from self.round()

    def stop(self, number: int | None = None) -> None:
        """Makes one member, or every member, end where it waits for its next epoch."""
        for member in self.members:
            if number in (None, member.number):
                member.stop()

    def leave(self, number: int) -> None:
        """Ends a member now, in the middle of an epoch; the others go on. In another one's turn it ends after it."""
        in_turn = [member for member in self.members if member.in_turn]
        for member in self.members:
            if member.number == number and not member.ended:
                member.leave() if in_turn in ([], [member]) else member.stop()

    def take_ended(self) -> list[Member]:
        """Removes the members that have ended or paused, and returns them."""
        ended = [member for member in self.members if member.ended or member.paused]
        self.members = [member for member in self.members if not (member.ended or member.paused)]
        self.paused |= {member.number: member for member in ended if member.paused}
        while len(self.paused) > MAX_PAUSED:
            self.paused.pop(next(iter(self.paused))).forget()
        return ended

    def end(self) -> None:
        """Ends all members, also one that was interrupted in its turn; their checkpoints stay."""
        self.stop()
        for member in self.members:
            while not member.ended:
                member.resume()
        self.members = []

    def build_data(self, study_file: StudyFile, sampled: dict[str, Any], data_dir: str | None) -> Any:
        """The study's data for a member; members with the same sampled arguments share it."""
        key = repr(sorted(sampled.items()))
        if key not in self.data:
            self.data[key] = SharedData(components.build_data(study_file, sampled, data_dir))
        return self.data[key].copy()

    def incompatibility(self, member: Member) -> str | None:
        """Why a member cannot train in a pack; None: it can."""
        if (reason := engines.incompatibility(member.trainer, member.module)) is not None:
            return reason
        if self.proved is not None and engines.structure(member.trainer, member.module) not in self.proved:
            return "no trial of its structure was tried in a pack before the search"
        return None

    def _checkpoint_of_parent(self, start: Start) -> dict[str, Any] | None:
        """A copy of the parent's checkpoint, if it waits here; the one that the new trial replaces is forgotten."""
        if (replaced := self.paused.pop(start.replaces, None)) is not None:
            replaced.forget()
        parent = self.paused.get(start.parent)
        return None if parent is None else parent.checkpoint(start.epochs)

    def _train(self, pack: list[Member]) -> None:
        """Trains members with equal batch keys for an epoch.

        If anything fails, the pack itself may be the cause: the members continue alone, from their checkpoints.
        """
        leader = pack[0]
        key, seed = engines.structure_key(leader.module), leader.epoch_seed
        seed_epoch(seed)
        try:
            engines.train_epoch(pack, self._between(leader.batches()), probed=key in self._probed)
        except Exception as error:
            if len(pack) > 1 and kind_of(error) is Kind.OUT_OF_MEMORY:
                raise  # each may well fit alone: this process ends, and the trials continue in others
            reason = str(error) if isinstance(error, NotPackable) else f"{type(error).__name__}: {error}"
            for member in pack:
                member.stop(LeftPack(reason))
            return
        self._probed.add(key)
        for member in pack:
            member.follow(seed)

    def _between(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            yield batch
            self.meanwhile()
