"""A member of a pack: a trial that runs as it does alone, but leaves the training steps of each epoch to the pack."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from pytorch_lightning import Callback

from lightsearch.compat.epoch_loop import (
    LogCall,
    clip_gradients,
    count_epoch,
    replace_steps,
    step_schedules,
    steps_before,
    training_batch,
)
from lightsearch.compat.logged_metric import LoggedMetric
from lightsearch.compat.trainer import dumped, training_loaders
from lightsearch.outcome import Forgotten, Interrupted
from lightsearch.packs.random_state import RandomState
from lightsearch.signals import raise_in_thread
from lightsearch.training.safe_loading import without_objects
from lightsearch.training.seeding import SeedEpochs, draw_base_seeds, seed_epoch
from lightsearch.training.trial import Continuation

MEANWHILE_SECONDS = 0.1
"""How often a host looks for requests while a member has its turn."""


class Logged(NamedTuple):
    """What a ``training_step`` logged under one name in an epoch."""

    name: str
    steps: Sequence[int]
    """The batches in which it was logged, from 0."""
    values: Sequence[float] | Sequence[LoggedMetric]
    """One value per step, or a torchmetrics object as it was in each."""
    weights: Sequence[int]
    """Per step: the number of samples, or the ``batch_size`` given to ``log``."""
    options: dict[str, Any]
    """Further keyword arguments of ``log``."""


class Member:
    """A trial in its own thread. The thread and its host take turns: they never run at the same time.

    So nothing that a trial does (seeding, above all) can happen between two steps of another trial.

    Args:
        number: The trial's number.
        run: Runs the whole trial.
        attempt: Which start of the trial this is.
    """

    def __init__(self, number: int, run: Callable[[Member], object], attempt: int = 1) -> None:
        self.number = number
        self.trainer: Any
        """Its Lightning Trainer."""
        self.module: Any
        """Its LightningModule, with the weights at the start of its epoch; an engine trains them."""
        self.refused: str | None = None
        """Why it trains outside of packs; None: it trains in one."""
        self.logged: list[Logged] = []
        """What its ``training_step`` logged in the epoch; an engine fills it in."""
        self.ended = False
        self.error: BaseException | None = None
        """The exception that it ended with, unless that was an outcome."""
        self.in_turn = False
        self.at_epoch = False
        """Whether it waits for the training steps of an epoch."""
        self.paused = False
        """Whether its trial has paused, and waits here to be continued."""
        self._continuation: Continuation
        self._attempt = attempt
        self._raise: BaseException | None = None
        self._run = run
        self._its_turn, self._hosts_turn = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run_in_turns, name=f"trial {number}", daemon=True)
        self._thread.start()

    def join(self, trainer: Any, module: Any) -> None:
        """Called in its own thread when its Trainer and its module are ready to train."""
        self.trainer, self.module = trainer, module
        (self._seeds,) = [callback for callback in trainer.callbacks if isinstance(callback, SeedEpochs)]

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._raise is not None

    @property
    def optimizer(self) -> Any:
        """Its only optimizer."""
        return self.trainer.optimizers[0]

    @property
    def loader(self) -> Any:
        """Its only training loader; the members of a pack share it."""
        return training_loaders(self.trainer)[0]

    @property
    def epoch_seed(self) -> int:
        """The seed of its current epoch outside of a pack."""
        return self._seeds.epoch_seed(self.trainer.current_epoch)

    def batches(self) -> Iterator[Any]:
        """The batches of an epoch as its ``training_step`` gets them: after the hooks, on the device."""
        for batch in itertools.islice(self.loader, self.trainer.num_training_batches):
            yield training_batch(self.trainer, self.module, batch)

    def follow(self, seed: int) -> None:
        """Records that its epoch used the order of batches that comes from another member's seed."""
        self._seeds.follow(seed)

    def resume(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Lets it run until it is ready for an epoch, or ends.

        Args:
            meanwhile: Called every ``MEANWHILE_SECONDS`` until then.
        """
        self.in_turn = True
        self._its_turn.release()
        while not self._hosts_turn.acquire(timeout=MEANWHILE_SECONDS):
            meanwhile()
        self.in_turn = False

    def leave(self) -> None:
        """Ends it now. In its turn, it ends there a moment later; no other member may have the turn."""
        asked = self.stopping
        self.stop()
        if self.in_turn:
            if not asked:  # a second exception could interrupt the writing of its outcome
                raise_in_thread(self._thread, Interrupted)
            return
        self._end_between_epochs()

    def stop(self, error: BaseException | None = None) -> None:
        """Makes it raise ``error``, or ``Interrupted``, where it waits for its next epoch."""
        self._raise = error or Interrupted("asked to stop")

    def wait_paused(self) -> Continuation:
        """Called in its own thread when its trial has paused; returns when it continues.

        Raises:
            Forgotten: if it does not continue here.
        """
        self.paused = True
        self._hosts_turn.release()
        self._its_turn.acquire()
        if self._raise is not None:
            raise self._raise
        return self._continuation

    def is_followed_by(self, continuation: Continuation) -> bool:
        """Whether no other process has continued its trial in between."""
        return continuation.attempt == self._attempt + 1

    def go_on(self, continuation: Continuation) -> None:
        """Makes a member that has paused continue, in its next turn."""
        self._continuation, self._attempt, self.paused = continuation, continuation.attempt, False

    def checkpoint(self, epochs: int) -> dict[str, Any] | None:
        """A copy of the checkpoint of a member that has paused, in the memory of its device.

        Args:
            epochs: The epochs after which it is wanted.

        Returns:
            The checkpoint; None: it is another epoch's, or has something that cannot be copied. The file serves then.
        """
        if self.trainer.current_epoch + 1 != epochs:
            return None
        try:
            return copy.deepcopy(without_objects(dumped(self.trainer)))
        except Exception:  # the user's own states and hooks may raise anything
            return None

    def forget(self) -> None:
        """Ends a member that has paused; its trial continues elsewhere, or not at all."""
        self._raise = Forgotten()
        self._end_between_epochs()

    def refuse(self, reason: str) -> None:
        """Makes it train outside of packs from now on, in its turn."""
        self.refused = reason

    def clip_gradients(self) -> None:
        """Clips its gradients before a step, as its Trainer is told to."""
        clip_gradients(self.trainer, self.module)

    def step_schedules(self) -> None:
        """Moves the learning-rate schedules that move after every training step."""
        step_schedules(self.trainer)

    def wait_for_epoch(self) -> None:
        """Called in its own thread; returns when the host has trained it for an epoch."""
        self.at_epoch = True
        self._hosts_turn.release()
        self._its_turn.acquire()
        if self._raise is not None:
            raise self._raise

    def _end_between_epochs(self) -> None:
        state = RandomState()
        while not self.ended:
            self.resume()
        state.restore()  # the others go on in the middle of an epoch, as if nothing had happened

    def _run_in_turns(self) -> None:
        self._its_turn.acquire()
        try:
            if self._raise is not None:
                raise self._raise
            self._run(self)
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self._hosts_turn.release()


class Lockstep(Callback):
    """Replaces the steps of each epoch with waiting for the pack.

    Everything around the steps stays Lightning's: hooks, validation, schedules, progress. So a checkpoint is an
    ordinary one, from which the same trial can go on alone. It also goes on alone if its module cannot train in a pack.

    Args:
        member: The member that owns the Trainer.
    """

    def __init__(self, member: Member) -> None:
        self.member = member

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.member.join(trainer, pl_module)
        replace_steps(trainer, self._train_epoch)

    def _train_epoch(self) -> bool:
        """Waits for the pack; returns False if the Trainer has to take the steps itself."""
        member, trainer = self.member, self.member.trainer
        member.wait_for_epoch()
        if member.refused is None:
            count_epoch(trainer, member.module, _log_calls(trainer, member.logged))
            return True
        seed_epoch(member.epoch_seed)  # other members have drawn random numbers meanwhile
        draw_base_seeds(trainer)
        return False


def _log_calls(trainer: Any, logged: Sequence[Logged]) -> dict[int, list[LogCall]]:
    """The calls of ``log``, by step, after which Lightning and its loggers have what they have outside of a pack.

    Between two steps that are written to a logger, the mean of all values but the last and the last value do the same
    as the values one by one.
    """
    if not logged:
        return {}
    before, n = steps_before(trainer), int(trainer.num_training_batches)
    every = max(trainer.log_every_n_steps, 1)
    written = [step for step in range(n) if (before + step + 1) % every == 0] if trainer.loggers else []
    calls: dict[int, list[LogCall]] = {}
    start = 0
    for step in sorted({*written, n - 1}):
        calls[step] = [
            (one.name, value, {**one.options, "batch_size": weight})
            for one in logged
            for value, weight in _condensed(one, start, step)
        ]
        start = step + 1
    return calls


def _condensed(logged: Logged, start: int, last: int) -> Iterator[tuple[float | LoggedMetric, int]]:
    """The values of the steps from ``start`` to ``last``: the mean of all but the last, then the last, with weights.

    A metric has counted all steps by itself; the last value is enough.
    """
    rows = [row for row, step in enumerate(logged.steps) if start <= step <= last]
    values, weights = [logged.values[row] for row in rows], [logged.weights[row] for row in rows]
    numbers = [value for value in values[:-1] if not isinstance(value, LoggedMetric)]
    if numbers and (earlier := sum(weights[:-1])):
        yield sum(value * weight for value, weight in zip(numbers, weights, strict=False)) / earlier, earlier
    if rows:
        yield values[-1], weights[-1]
