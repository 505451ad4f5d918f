"""A member of a pack: a trial that runs as it does alone, but hands each epoch's steps to the pack."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback

from lightsearch.outcome import Interrupted
from lightsearch.training import SeedEpochs, draw_base_seeds


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
        self.logged: list[tuple[str, Any, dict[str, Any]]] = []
        """What its ``training_step`` logged in the epoch: name, value, options of ``log``; filled in by an engine."""
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
    def epoch_seed(self) -> int:
        """The seed of its epoch, as it would be alone."""
        return self._seeds.epoch_seed(self.trainer.current_epoch)

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
                torch.manual_seed(member.epoch_seed)  # others have had their turns meanwhile
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
        loop._batches_that_stepped += n - 1  # Lightning adds the last one
        loop.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        if self.member.logged:
            trainer._logger_connector.on_batch_start(None)
            self.member.module._current_fx_name = "training_step"
            for name, value, options in self.member.logged:
                self.member.module.log(name, value, **{**options, "batch_size": 1})
            self.member.module._current_fx_name = None
            trainer._logger_connector.on_batch_end()
            trainer._logger_connector.update_train_step_metrics()
