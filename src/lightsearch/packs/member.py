"""A member of a pack: a trial that runs as it does alone, but hands each epoch's steps to the pack."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from pytorch_lightning import Callback

from lightsearch.outcome import Interrupted
from lightsearch.training.seeding import SeedEpochs, draw_base_seeds, seed_epoch


class Logged(NamedTuple):
    """What a ``training_step`` logged under one name in an epoch."""

    name: str
    steps: Sequence[int]
    """The batches in which it did, from 0."""
    values: Sequence[float]
    weights: Sequence[int]
    """Samples of each batch, or the ``batch_size`` that it named."""
    options: dict[str, Any]
    """Further arguments of ``log``."""


class Member:
    """A trial in a thread of its own. It and its host never run at the same time: each waits for the other's turn.

    So nothing that a trial does (seeding, above all) can get between two steps of another.

    Args:
        number: The trial's.
        run: What the trial does, from its beginning to its end.
    """

    def __init__(self, number: int, run: Callable[[Member], object]) -> None:
        self.number = number
        self.trainer: Any
        """Its Lightning Trainer."""
        self.module: Any
        """Its LightningModule, with the weights that its epoch begins with; the engine trains them."""
        self.refused: str | None = None
        """Why it trains alone, if it does."""
        self.logged: list[Logged] = []
        """What its ``training_step`` logged in the epoch; filled in by an engine."""
        self.ended = False
        self.error: BaseException | None = None
        """What it ended with, if that was not an outcome."""
        self._raise: BaseException | None = None
        self._run = run
        self._its_turn, self._hosts_turn = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, name=f"trial {number}", daemon=True)
        self._thread.start()

    def join(self, trainer: Any, module: Any) -> None:
        """In its own thread: its Trainer and its module are ready to train."""
        self.trainer, self.module = trainer, module
        (self._seeds,) = [callback for callback in trainer.callbacks if isinstance(callback, SeedEpochs)]

    @property
    def optimizer(self) -> Any:
        """Its optimizer."""
        return self.trainer.optimizers[0]

    @property
    def loader(self) -> Any:
        """Its training loader, before anything is made of its batches; members of a pack share it."""
        return self.trainer.fit_loop._combined_loader.flattened[0]

    @property
    def epoch_seed(self) -> int:
        """The seed of its epoch, as it would be alone."""
        return self._seeds.epoch_seed(self.trainer.current_epoch)

    def batches(self) -> Iterator[Any]:
        """An epoch's batches as its ``training_step`` gets them: after its data's hooks."""
        trainer = self.trainer
        for batch in itertools.islice(self.loader, trainer.num_training_batches):
            batch = trainer.precision_plugin.convert_input(batch)
            batch = self.module._on_before_batch_transfer(batch, dataloader_idx=0)
            yield trainer.strategy.batch_to_device(batch, dataloader_idx=0)

    def follow(self, seed: int) -> None:
        """Notes that its epoch has the order of batches of another's seed."""
        self._seeds.follow(seed)

    def go_on(self) -> None:
        """Lets it run until it is ready for an epoch, or ends."""
        self._its_turn.release()
        self._hosts_turn.acquire()

    def stop(self, error: BaseException | None = None) -> None:
        """Has it raise ``error``, or ``Interrupted``, where it waits."""
        self._raise = error or Interrupted("asked to stop")

    def refuse(self, reason: str) -> None:
        """Has it train alone from now on, in its turn."""
        self.refused = reason

    def stepped(self) -> None:
        """Moves the schedules that move with every step."""
        if any(
            config.interval == "step" and not config.reduce_on_plateau for config in self.trainer.lr_scheduler_configs
        ):
            loop = self.trainer.fit_loop.epoch_loop
            loop.batch_progress.current.ready += 1
            loop.update_lr_schedulers("step", update_plateau_schedulers=False)

    def wait_for_epoch(self) -> None:
        """In its own thread: until the host has trained it for an epoch."""
        self._hosts_turn.release()
        self._its_turn.acquire()
        if self._raise is not None:
            raise self._raise

    def _live(self) -> None:
        self._its_turn.acquire()
        try:
            self._run(self)
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self._hosts_turn.release()


class Lockstep(Callback):
    """Puts waiting for the pack in the place of Lightning's own loop over an epoch's batches.

    Everything around it stays Lightning's: hooks, validation, schedules, progress. A checkpoint is therefore an
    ordinary one, which the same trial can go on from alone. So it does where its module turns out not to be packable.

    Args:
        member: The member whose Trainer this is a callback of.
    """

    def __init__(self, member: Member) -> None:
        self.member = member

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        member, loop = self.member, trainer.fit_loop.epoch_loop
        member.join(trainer, pl_module)
        alone = loop.advance

        def advance(data_fetcher: Any) -> None:
            if loop.restarting and loop._should_check_val_fx(data_fetcher):
                alone(data_fetcher)  # goes on from the end of an epoch; nothing is trained
                return
            if loop.batch_progress.current.ready == 0:
                member.wait_for_epoch()
                if member.refused is None:
                    self._count(trainer, loop)
                    return
                seed_epoch(member.epoch_seed)  # others have had their turns meanwhile
                draw_base_seeds(trainer)
            alone(data_fetcher)

        loop.advance = advance

    def _count(self, trainer: Any, loop: Any) -> None:
        """Keeps Lightning's books of an epoch that the pack has trained."""
        n = int(trainer.num_training_batches)
        loop.val_loop.restarting = False
        loop.batch_progress.current.reset()  # schedules may have counted
        loop.batch_progress.increment_by(n, is_last_batch=True)
        optimizer = loop.automatic_optimization.optim_progress.optimizer
        optimizer.step.increment_by(n)
        optimizer.zero_grad.increment_by(n)
        loop.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        stepped = loop._batches_that_stepped
        if self.member.logged:
            self._log(trainer, loop, n)
        loop._batches_that_stepped = stepped + n - 1  # Lightning adds the last one

    def _log(self, trainer: Any, loop: Any, n: int) -> None:
        """Logs what the pack's steps logged, so that Lightning and its loggers get what they get alone.

        Between two steps that are written to a logger it makes no difference whether values come one by one, or as
        their mean and the last one.
        """
        connector, module = trainer._logger_connector, self.member.module
        before = loop._batches_that_stepped
        written = [step for step in range(n) if (before + step + 1) % max(trainer.log_every_n_steps, 1) == 0]
        start = 0
        for last in sorted({*(written if trainer.loggers else []), n - 1}):
            loop._batches_that_stepped = before + last
            connector.on_batch_start(None)
            module._current_fx_name = "training_step"
            for logged in self.member.logged:
                for value, weight in _condensed(logged, start, last):
                    module.log(logged.name, value, **{**logged.options, "batch_size": weight})
            module._current_fx_name = None
            connector.on_batch_end()
            connector.update_train_step_metrics()
            start = last + 1


def _condensed(logged: Logged, start: int, last: int) -> Iterator[tuple[float, int]]:
    """The values of some steps as (mean, weight) of all but the last, and the last value with its weight."""
    rows = [row for row, step in enumerate(logged.steps) if start <= step <= last]
    values, weights = [logged.values[row] for row in rows], [logged.weights[row] for row in rows]
    if earlier := sum(weights[:-1]):
        yield sum(value * weight for value, weight in zip(values[:-1], weights, strict=False)) / earlier, earlier
    if rows:
        yield values[-1], weights[-1]
