"""Packs: a trial that trains with others becomes what it would have become alone."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import seed_everything

from lightsearch import Classifier
from lightsearch.data import ImageData
from lightsearch.outcome import Diverged, LeftPack
from lightsearch.packs.calibration import calibrate
from lightsearch.packs.host import Host
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.fit import fit
from lightsearch.training.trial import TrainerContext
from studies.examples.tabular import Regressor, Table
from tests.conftest import command, digits

WIDTHS = [16, 200, 24, 36, 55, 81, 120, 180, 17, 29, 44, 66, 99, 130, 150, 32]


class Trial:
    """One training, alone or in a pack."""

    def __init__(
        self, folder: Path, index: int, make: Any, data: Any, metric: str = "val_acc", epochs: int = 6
    ) -> None:
        self.folder, self.seed = folder / f"trial-{index:04d}", 1000 + index
        self.folder.mkdir(parents=True)
        self.make, self.data, self.metric, self.epochs = make, data, metric, epochs
        self.log = EpochLog(self.folder / "epochs.csv")
        self.epoch_seeds: list[int] = []
        self.model: Any = None

    def train(self, place: TrainerContext | None = None, epoch_seeds: Sequence[int] = ()) -> Trial:
        seed_everything(self.seed, verbose=False)
        self.model = self.make()
        data = place.build_data(self.data, {}, None) if place else self.data()
        callbacks = list(place.callbacks) if place else []
        options: dict[str, Any] = {"metric": self.metric, "mode": "max", "patience": 0, "log": self.log}
        keywords = {"max_epochs": self.epochs}
        self.epoch_seeds = fit(
            self.model,
            data,
            folder=self.folder,
            seed=self.seed,
            keywords=keywords,
            callbacks=callbacks,
            epoch_seeds=epoch_seeds,
            **options,
        ).epoch_seeds
        return self

    def curve(self, name: str) -> torch.Tensor:
        return torch.tensor([row[name] for row in self.log.history])


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host of trials that make their own data."""
    monkeypatch.setattr("lightsearch.packs.host.components.build_data", lambda make, sampled, data_dir: make())
    torch.set_num_threads(1)
    return Host()


def run(host: Host, trials: Sequence[Trial]) -> list[BaseException | None]:
    for i, trial in enumerate(trials):
        host.add(i, trial.train)
    ended = {member.number: member.error for member in host.run()}
    return [ended[i] for i in range(len(trials))]


def digits_data() -> ImageData:
    return ImageData("digits", batch_size=32, split_seed=0)


def classifier(width: int, rate: float, **others: Any) -> Any:
    return lambda: Classifier(64, 10, hidden_size=width, learning_rate=rate, **others)


BEFORE_NORM = {
    *("model.1.bias", "model.4.bias", "model.2.running_mean", "model.5.running_mean"),
    *("net.0.bias", "net.1.running_mean"),
}
"""Biases that a BatchNorm takes out again, so that noise alone moves them, and the means that follow them."""


def distance(one: Any, other: Any) -> float:
    """The largest relative distance of a tensor of one module to the other's, in the Euclidean norm."""
    state = other.state_dict()
    norm = any(isinstance(part, torch.nn.BatchNorm1d) for part in one.modules())
    names = [name for name, value in state.items() if value.is_floating_point() and not (norm and name in BEFORE_NORM)]
    mine = one.state_dict()
    return max(float((mine[name] - state[name]).norm() / state[name].norm().clamp(min=1e-3)) for name in names)


class Drawing(Regressor):
    """A module whose validation draws random numbers of all kinds."""

    def validation_step(self, batch: Any) -> None:
        super().validation_step(batch)
        self.log("drawn", random.random() + float(np.random.rand()) + float(torch.rand(())))


def test_validation_draws_the_same_numbers_alone_and_in_a_pack(tmp_path: Path, host: Host) -> None:
    def trials(folder: str) -> list[Trial]:
        return [Trial(tmp_path / folder, i, Drawing, lambda: Table(batch_size=64), "val_mse", 2) for i in range(2)]

    together, alone = trials("together"), trials("alone")
    assert run(host, together) == [None, None]
    for one, other in zip(together, alone, strict=True):
        assert one.epoch_seeds  # it was in a pack
        other.train(epoch_seeds=one.epoch_seeds)
        assert torch.equal(one.curve("drawn"), other.curve("drawn"))


@pytest.mark.parametrize("size", [2, 8, 16])
def test_a_classifier_becomes_the_same_alone_and_in_a_pack(tmp_path: Path, host: Host, size: int) -> None:
    def trials(folder: str) -> list[Trial]:
        rates = [1e-4 * 1.2**i for i in range(size)]
        schedules = ["constant" if i % 3 else "cosine" for i in range(size)]
        makes = [classifier(WIDTHS[i], rates[i], lr_schedule=schedules[i]) for i in range(size)]
        return [Trial(tmp_path / folder, i, make, digits_data) for i, make in enumerate(makes)]

    packed = trials("packed")
    assert run(host, packed) == [None] * size
    own = [(packed[0].seed << 16) + epoch for epoch in range(6)]
    assert all(trial.epoch_seeds == own for trial in packed), "the leader's order of batches is everyone's"
    distances = []
    for together, alone in zip(packed, trials("alone"), strict=True):
        alone.train(epoch_seeds=together.epoch_seeds)
        assert together.model.trainer.global_step == alone.model.trainer.global_step == 6 * 36  # 216 steps
        distances.append(distance(together.model, alone.model))
        for name in ("train_loss", "val_loss"):
            torch.testing.assert_close(together.curve(name), alone.curve(name), rtol=2e-3, atol=2e-3)
        assert (together.curve("val_acc") - alone.curve("val_acc")).abs().max() <= 2.1 / 288, "two images at most"
    # One of them may be where a change of the last bit alone, without any pack, grows as large: hence two bounds.
    assert statistics.median(distances) < 1e-3
    assert max(distances) < 0.1


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


def table() -> Table:
    return Table(batch_size=32)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_any_module_of_one_form_becomes_the_same(tmp_path: Path, host: Host, optimizer: str) -> None:
    def trials(side: str) -> list[Trial]:
        makes = [
            lambda i=i: Regressor(hidden_sizes=[24, 12], optimizer=optimizer, learning_rate=1e-3 * 2**i)
            for i in range(3)
        ]
        return [Trial(tmp_path / side, i, make, table, "val_mse", 12) for i, make in enumerate(makes)]

    packed = trials("packed")
    assert run(host, packed) == [None] * 3
    for together, alone in zip(packed, trials("alone"), strict=True):
        alone.train(epoch_seeds=together.epoch_seeds)
        assert distance(together.model, alone.model) < 1e-4
        torch.testing.assert_close(together.curve("val_mse"), alone.curve("val_mse"), rtol=1e-4, atol=1e-5)


class Logging(Regressor):
    """Logs in its training_step, has buffers, and steps AdamW with a schedule."""

    def __init__(self, rate: float, decay: float) -> None:
        super().__init__([24])
        self.rate, self.decay = rate, decay
        self.net.insert(1, torch.nn.BatchNorm1d(24))

    def training_step(self, batch: Any) -> Any:
        loss = super().training_step(batch)
        self.log("train_mse", loss, on_step=False, on_epoch=True)
        self.log_dict({"last": loss})
        return {"loss": loss}

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), self.rate, weight_decay=self.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, self.trainer.estimated_stepping_batches)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def test_logs_buffers_schedules_and_weight_decay_are_each_members_own(tmp_path: Path, host: Host) -> None:
    def trials(side: str) -> list[Trial]:
        makes = [lambda i=i: Logging(1e-3 * 3**i, 10.0**-i) for i in range(3)]
        return [Trial(tmp_path / side, i, make, table, "val_mse", 5) for i, make in enumerate(makes)]

    packed = trials("packed")
    assert run(host, packed) == [None] * 3
    for together, alone in zip(packed, trials("alone"), strict=True):
        alone.train(epoch_seeds=together.epoch_seeds)
        assert distance(together.model, alone.model) < 1e-3
        for name in ("train_mse", "last", "val_mse"):
            torch.testing.assert_close(together.curve(name), alone.curve(name), rtol=1e-2, atol=1e-3)
        assert int(together.model.net[1].num_batches_tracked) == 5 * 9


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


class Scaled(Table):
    """Has a hook that scales training batches, and asks its Trainer for the stage."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        inputs, targets = batch
        return (inputs * 100 if self.trainer.training else inputs, targets)


def test_hooks_of_the_data_are_called_in_packs(tmp_path: Path, host: Host) -> None:
    def trials(side: str, data: Any) -> list[Trial]:
        makes = [lambda i=i: Regressor(hidden_sizes=[24], learning_rate=1e-3 * 2**i) for i in range(2)]
        return [Trial(tmp_path / side, i, make, data, "val_mse", 4) for i, make in enumerate(makes)]

    packed = trials("packed", lambda: Scaled(32))
    assert run(host, packed) == [None] * 2
    for together, alone, plain in zip(packed, trials("alone", lambda: Scaled(32)), trials("plain", table), strict=True):
        alone.train(epoch_seeds=together.epoch_seeds)
        plain.train(epoch_seeds=together.epoch_seeds)
        torch.testing.assert_close(together.curve("val_mse"), alone.curve("val_mse"), rtol=1e-4, atol=1e-5)
        assert (together.curve("val_mse") - plain.curve("val_mse")).abs().max() > 2e-3


def test_a_calibration_proves_and_times(place: Path) -> None:
    found = calibrate(digits("space.data={batch_size={choice=[32]}}"), None, 4)
    assert found.incompatibility is None
    assert len(found.proved) == 1, "all widths have one structure"
    assert found.speedup > 0
    assert calibrate(digits("trainer.gradient_clip_val=1.0"), None, 2).incompatibility == "gradient_clip_val = 1.0"


def test_a_search_in_packs(place: Path) -> None:
    ran = command("run", "--n-trials", 12, "--pack", 4, "--set", "trainer.max_epochs=8")
    assert ran.returncode == 0, ran.stderr
    assert "trials train in packs of 4" in ran.stdout
    results = json.loads((place / "studies/digits/results.json").read_text())
    assert results["counts"]["states"].get("complete", 0) + results["counts"]["states"].get("pruned", 0) == 12
    outcomes = [json.loads(file.read_text()) for file in sorted(place.glob("studies/digits/trial-*/result.json"))]
    assert len(outcomes) == 12
    assert {outcome["stop_reason"] for outcome in outcomes} & {"pruned", "early_stopping"}
    assert all(len(outcome["epoch_seeds"]) == outcome["epochs"] for outcome in outcomes)
    best = Classifier.load_from_checkpoint(place / "studies/digits" / results["best"]["checkpoint"], weights_only=True)
    assert best.hparams["hidden_size"] == results["best"]["params"]["hidden_size"]

    reproduced = command("retrain", "--reproduce", results["best"]["number"])
    assert reproduced.returncode == 0, reproduced.stdout + reproduced.stderr
    assert "trained in a pack" in reproduced.stdout


def test_the_same_list_has_the_same_winner(place: Path) -> None:
    configurations = [(16, 1e-4), (32, 3e-4), (128, 3e-3), (24, 9e-2), (48, 2e-4), (64, 5e-4)]
    enqueue = ", ".join(f"{{hidden_size={h}, learning_rate={rate}, batch_size=32}}" for h, rate in configurations)
    options = ("--set", f"enqueue=[{enqueue}]", "--set", "trainer.max_epochs=4", "--set", "pruner={name='NopPruner'}")
    results = {}
    for name, pack in (("alone", "off"), ("packed", 3)):
        ran = command("run", "--name", name, "--n-trials", 6, "--pack", pack, *options)
        assert ran.returncode == 0, ran.stderr
        results[name] = json.loads((place / "studies" / name / "results.json").read_text())
    assert results["alone"]["best"]["number"] == results["packed"]["best"]["number"] == 2
    values = [{entry["number"]: entry["value"] for entry in results[name]["leaders"]} for name in results]
    # The orders of batches differ, so that they are equal as two seeds are.
    assert all(abs(values[0][number] - values[1][number]) < 0.08 for number in range(6))
