"""Objects within arguments: built by the types in a signature, new for each trial, checked before a search."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn

from lightsearch.declare.nested import check_objects, sampled_objects, with_objects
from lightsearch.errors import UserError
from tests.conftest import command

RELU = {"class_path": "torch.nn.ReLU"}
LINEAR = {"class_path": "torch.nn.Linear", "init_args": {"in_features": 3, "out_features": 2}}
SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.25}}
SHELL = {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "started"]}}


class Base:
    def __init__(self, encoder: nn.Module, optimizer: Callable[[Any], torch.optim.Optimizer] | None = None) -> None:
        self.encoder, self.optimizer = encoder, optimizer


class Net(Base):
    def __init__(
        self,
        width: int = 1,
        layers: list[nn.Module] | None = None,
        table: dict[str, Any] | None = None,
        untyped=None,  # type: ignore[no-untyped-def]
        function: Callable[[], Any] | None = None,
        help: str = "",
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.layers, self.table, self.untyped = layers, table, untyped


def test_objects_are_built_where_the_signature_asks_for_them() -> None:
    given = {"encoder": LINEAR, "layers": [RELU, LINEAR], "optimizer": SGD, "width": 4}
    before = copy.deepcopy(given)
    built = with_objects(Net, given, "model")
    assert isinstance(built["encoder"], nn.Linear)
    assert built["encoder"].out_features == 2
    assert [type(layer) for layer in built["layers"]] == [nn.ReLU, nn.Linear]
    assert built["optimizer"](built["encoder"].parameters()).defaults["lr"] == 0.25
    assert built["width"] == 4
    assert given == before
    assert with_objects(Net, given, "model")["encoder"] is not built["encoder"]


def test_a_table_stays_one_where_the_signature_takes_it() -> None:
    for argument in ("table", "untyped"):
        assert with_objects(Net, {argument: LINEAR}, "model") == {argument: LINEAR}
        assert not check_objects(Net, {argument: LINEAR}, "model")


def test_nothing_that_no_signature_asks_for_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    device = {**LINEAR["init_args"], "device": SHELL}  # type: ignore[dict-item]
    for given in ({"untyped": SHELL}, {"encoder": {**LINEAR, "init_args": device}}, {"function": SHELL}):
        assert check_objects(Net, given, "model") or with_objects(Net, given, "model") == given
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("encoder", {"class_path": "torch.nn.Liner"}, "torch.nn.Liner: module 'torch.nn' has no attribute 'Liner'"),
        ("encoder", {"class_path": "nowhere.Net"}, "nowhere.Net: No module named 'nowhere'"),
        ("encoder", {"class_path": "pathlib.Path"}, "denied"),
        ("encoder", {"class_path": "datetime.date"}, "does not correspond to a subclass of Module"),
        ("encoder", {"class_path": "torch.nn.Linear"}, "required: in_features, out_features"),
        ("encoder", {**LINEAR, "init_args": {"in_features": 3, "out": 1}}, "Option 'out' is not accepted"),
        (
            "encoder",
            {**LINEAR, "init_args": {"in_features": 3, "out_features": 0.5}},
            "torch.nn.Linear: out_features: expected int, got 0.5",
        ),
        ("width", LINEAR, "expected int, got {"),
    ],
)
def test_a_mistake_is_one_line(argument: str, value: Any, reason: str) -> None:
    (mistake,) = check_objects(Net, {argument: value}, "model")
    assert (mistake.field, mistake.value) == (f"model.init_args.{argument}", value)
    assert reason in mistake.hint
    assert "\n" not in mistake.hint
    with pytest.raises(UserError, match=r"^model\.init_args\."):
        with_objects(Net, {argument: value}, "model")


def test_objects_of_which_a_part_is_sampled() -> None:
    given = {"encoder": LINEAR, "table": {"depth": 1}}
    sampled = ["encoder.init_args.out_features", "activation.class_path", "table.depth", "width"]
    assert sampled_objects(given, sampled) == {"encoder", "activation"}


MODULE = """
import torch
from pytorch_lightning import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset


class Encoder(nn.Module):
    def __init__(self, width: int, activation: nn.Module, bias=True):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, width, bias=bias), activation, nn.Linear(width, 1))

    def forward(self, x):
        return self.layers(x)


class Noise(Dataset):
    def __init__(self, size: int = 64):
        self.x = torch.randn(size, 8, generator=torch.Generator().manual_seed(1))

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.x[i].sum(0, keepdim=True)


class Data(LightningDataModule):
    def __init__(self, source: Dataset, batch_size: int = 16):
        super().__init__()
        self.source, self.batch_size = source, batch_size

    def train_dataloader(self):
        return DataLoader(self.source, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.source, 32)

    test_dataloader = val_dataloader


class Net(LightningModule):
    def __init__(self, encoder: nn.Module, learning_rate: float = 1e-2):
        super().__init__()
        self.save_hyperparameters(ignore="encoder")
        self.encoder = encoder

    def forward(self, x):
        return self.encoder(x)

    def _step(self, batch, name):
        loss = nn.functional.mse_loss(self(batch[0]), batch[1])
        self.log(name, loss)
        return loss

    def training_step(self, batch, i):
        return self._step(batch, "train_loss")

    def validation_step(self, batch, i):
        self._step(batch, "val_loss")

    def test_step(self, batch, i):
        self._step(batch, "test_loss")

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)
"""

STUDY = """
name = "nested"
metric = "val_loss"
direction = "minimize"

[data]
class_path = "mynet.Data"
init_args = { source = { class_path = "mynet.Noise", init_args = { size = 96 } } }

[model]
class_path = "mynet.Net"

[model.init_args.encoder]
class_path = "mynet.Encoder"
init_args = { activation = { class_path = "torch.nn.ReLU" }, bias = false }

[space.model]
"encoder.init_args.width" = { choice = [4, 8] }
"encoder.init_args.activation.class_path" = { choice = ["torch.nn.Tanh", "torch.nn.GELU"] }

[trainer]
max_epochs = 2

[pruner]
name = "NopPruner"
"""


def test_a_search_over_an_encoder_and_its_activation(place: Path) -> None:
    (place / "studies" / "mynet.py").write_text(MODULE)
    (place / "studies" / "nested.toml").write_text(STUDY)
    study_file = ("--study", "studies/nested.toml")
    done = command("run", *study_file, "--n-trials", 3, cwd=place)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    study = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="nested")
    for trial in study.trials:
        state = torch.load(place / "studies" / "nested" / f"trial-{trial.number:04d}" / "best.ckpt", weights_only=True)[
            "state_dict"
        ]
        assert set(state) == {"encoder.layers.0.weight", "encoder.layers.2.weight", "encoder.layers.2.bias"}
        assert state["encoder.layers.0.weight"].shape == (trial.params["encoder.init_args.width"], 8)
    assert study.user_attrs["fingerprint"]["data"]["init_args"]["source"]["class_path"] == "mynet.Noise"
    done = command("evaluate", *study_file, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_loss" in done.stdout
    done = command("retrain", *study_file, "--top", 1, "--seeds", 1, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "A checkpoint holds plain types only, so pass also: `encoder`"
        in (place / "reports" / "nested" / "final" / "README.md").read_text()
    )


def test_a_search_says_what_is_wrong_with_an_object_and_writes_nothing(place: Path) -> None:
    (place / "studies" / "mynet.py").write_text(MODULE)
    (place / "studies" / "nested.toml").write_text(STUDY)
    done = command(
        "run", "--study", "studies/nested.toml", "--set", "data.init_args.source.init_args.size='x'", cwd=place
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("data.init_args.source = {")
    assert done.stderr.endswith("mynet.Noise: size: expected int, got x\n")
    assert not (place / "studies" / "studies.db").exists()
