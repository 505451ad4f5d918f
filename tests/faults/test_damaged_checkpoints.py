"""Checkpoints that were cut, changed or replaced: the trial notices it, and is complete all the same."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import command, enter, start
from tests.faults.helpers import SLOW, check_whole, epochs_reported, load, wait_for


class Payload:
    """A malicious file: it creates a folder when it is loaded as a pickle."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("/tmp/lightsearch-payload-was-executed",)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def plant(file: Path) -> None:
    file.write_bytes(pickle.dumps(Payload()))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search that was killed during a trial."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("killed"), patch)
        process = start("run", "--n-trials", 1, *SLOW, cwd=place)
        wait_for(lambda: epochs_reported(place, 8))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return place


@pytest.fixture(scope="module")
def undisturbed(killed: Path) -> dict[int, float]:
    """The learning curve of the same trial without a kill."""
    done = command("run", "--name", "undisturbed", "--n-trials", 1, *SLOW, cwd=killed)
    assert done.returncode == 0, done.stderr
    import optuna

    study = optuna.load_study(storage=f"sqlite:///{killed}/studies/studies.db", study_name="undisturbed")
    return study.trials[0].intermediate_values


@pytest.mark.parametrize(
    ("damage", "files"),
    [
        (flip, ["last"]),
        pytest.param(cut, ["last", "previous"], marks=pytest.mark.slow),
        (plant, ["last"]),
        pytest.param(flip, ["best"], marks=pytest.mark.slow),
        pytest.param(plant, ["best", "last"], marks=pytest.mark.slow),
    ],
)
def test_a_damaged_checkpoint_is_not_gone_on_from(
    killed: Path, undisturbed: dict[int, float], tmp_path: Path, damage: Callable[[Path], None], files: list[str]
) -> None:
    place = Path(shutil.copytree(killed, tmp_path / "place"))
    folder = place / "studies" / "digits" / "trial-0000"
    for name in files:
        damage(folder / f"{name}.ckpt")
    done = command("run", "--n-trials", 1, *SLOW, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 1)
    assert load(place).trials[0].intermediate_values == undisturbed
    assert f"{files[0]}.ckpt is damaged" in (folder / "log.txt").read_text()
    assert not Path("/tmp/lightsearch-payload-was-executed").exists()
