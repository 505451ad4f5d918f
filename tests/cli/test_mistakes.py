"""A user's mistakes: one line each, exit status 2, nothing written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import command

PLAIN = ("trianer.x=1", "space.model.hidden_size={int=[9, 1]}", "sampler.name=TPE")
OF_CLASSES = ("trainer.max_epoch=3", "model.class_path=lightsearch.Clasifier")


def test_all_mistakes_are_reported_before_anything_is_written_the_plain_ones_before_torch_is_loaded(
    place: Path,
) -> None:
    before = sorted(place.rglob("*"))
    of_classes = [word for override in OF_CLASSES for word in ("--set", override)]
    plain = [word for override in PLAIN for word in ("--set", override)]
    refused = command("run", *of_classes, *plain, "--storage", "nonsense", cwd=place)
    assert fields(refused) == ["--storage", "sampler.name", "space.model.hidden_size", "trianer"]
    assert not refused.stdout
    refused = command("run", *of_classes, cwd=place)
    assert fields(refused) == ["model.class_path", "trainer.max_epoch"]
    assert sorted(place.rglob("*")) == before


def fields(refused: subprocess.CompletedProcess[str]) -> list[str]:
    assert refused.returncode == 2
    return sorted(line.split(" = ")[0] for line in refused.stderr.strip().splitlines())


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--set", "model.init_args={hiden=3}"], "model.init_args.hiden = 3: Classifier has no argument hiden"),
        pytest.param(
            ["--set", "space.model.hiden_size={int=[1,2]}"], 'did you mean "hidden_size"?', marks=pytest.mark.slow
        ),
        (["--set", "data.init_args.dataset=digit"], "data.init_args.dataset = 'digit': did you mean \"digits\"?"),
        (["--set", "model.class_path=nowhere.Model"], "model.class_path = 'nowhere.Model': no such module"),
        (
            ["--set", "data.class_path=subprocess.Popen", "--set", "data.init_args={args='touch x', shell=true}"],
            "data.class_path = 'subprocess.Popen': is no LightningDataModule",
        ),
        pytest.param(
            ["--set", "model.class_path=os.system"],
            "model.class_path = 'os.system': os has no class system",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["--set", "model.class_path=builtins.dict"],
            "model.class_path = 'builtins.dict': is no LightningModule",
            marks=pytest.mark.slow,
        ),
        (["--set", "trainer.precision=17"], "the Lightning Trainer says: "),
        (["--set", "data.init_args.val_size=5000"], "data.init_args.val_size = 5000: write 1 to "),
        (["--study", "studies/mnist.toml", "--data-dir", "nowhere"], "--study studies/digits.toml"),
    ],
)
def test_one_line_per_mistake(place: Path, options: list[str], line: str) -> None:
    refused = command("run", *options, cwd=place)
    assert refused.returncode == 2
    assert line in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (place / "studies" / "studies.db").exists()
    assert not (place / "x").exists()


BROKEN = """
from lightsearch import Classifier

class Broken(Classifier):
    def training_step(self, batch):
        print("printed")
        raise ValueError("no such layer")

class Hides(Classifier):
    def on_validation_epoch_end(self):
        pass
"""


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["model.class_path=odd.Broken"],
            "model.class_path = 'odd.Broken': Broken.training_step raises ValueError: no such layer (odd.py, line 7); "
            "--workers 0 shows the traceback",
        ),
        pytest.param(
            ["model.class_path=odd.Hides"],
            "metric = 'val_acc': is not logged; validation logs nothing",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["trainer.fast_dev_run=true"],
            "trainer.fast_dev_run = True: ends every trial after one batch; leave it out",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["metric=train_loss"],
            "metric = 'train_loss': is logged in training only (on_train_epoch_end), and a search compares trials",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_dry_run_reports_one_line_and_stores_nothing(place: Path, options: list[str], line: str) -> None:
    (place / "odd.py").write_text(BROKEN)
    before = sorted(place.rglob("*"))
    refused = command("run", *(word for option in options for word in ("--set", option)), cwd=place)
    assert refused.returncode == 2
    assert refused.stderr.startswith(line)
    assert len(refused.stderr.splitlines()) == 1
    assert "printed" not in refused.stdout
    assert sorted(path for path in place.rglob("*") if "__pycache__" not in path.parts) == before


def test_unknown_options_and_names(place: Path) -> None:
    for options in (["--bogus"], ["--n-trials", "0"], ["--n-trials", "x"], ["--workers", "some"], ["--study", "nope"]):
        refused = command("run", *options, cwd=place)
        assert refused.returncode == 2, options
        assert "Traceback" not in refused.stderr
    refused = command("evaluate", "--study", "../x", cwd=place)
    assert refused.returncode == 2
    assert "letters (a to z), digits" in refused.stderr
