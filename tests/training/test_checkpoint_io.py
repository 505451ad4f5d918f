import io
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Interrupted
from lightsearch.paths import BEST, LAST, PREVIOUS
from lightsearch.training import checkpoint_io
from lightsearch.training.checkpoint_io import SafeCheckpoints
from lightsearch.training.resume import is_whole, resume_point


def save(file: Path, epoch: int) -> None:
    SafeCheckpoints(file.parent).save_checkpoint({"epoch": epoch, "weights": torch.full((1000,), float(epoch))}, file)


def epoch(file: Path) -> int:
    return int(torch.load(file, weights_only=True)["epoch"])


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def test_the_one_before_the_last_is_kept(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / LAST, number)
    assert (epoch(tmp_path / LAST), epoch(tmp_path / PREVIOUS)) == (2, 1)
    assert sorted(file.name for file in tmp_path.iterdir()) == [LAST, PREVIOUS]
    assert resume_point(tmp_path) == tmp_path / LAST


def test_every_changed_byte_of_the_content_is_noticed(tmp_path: Path) -> None:
    save(tmp_path / LAST, 1)
    assert is_whole(tmp_path / LAST)
    size = (tmp_path / LAST).stat().st_size
    content = torch.load(tmp_path / LAST, weights_only=True)
    for at in range(0, size, 37):
        flip(tmp_path / LAST, at)
        if is_whole(tmp_path / LAST):  # a byte that nobody reads, between two parts
            again = torch.load(tmp_path / LAST, weights_only=True)
            assert again["epoch"] == content["epoch"]
            assert torch.equal(again["weights"], content["weights"])
        flip(tmp_path / LAST, at)


@pytest.mark.parametrize("length", [0, 1, 100, 3000])
def test_one_cut_short_is_noticed_and_the_one_before_it_taken(tmp_path: Path, length: int) -> None:
    for number in range(2):
        save(tmp_path / LAST, number)
    (tmp_path / LAST).write_bytes((tmp_path / LAST).read_bytes()[:length])
    assert resume_point(tmp_path) == tmp_path / PREVIOUS
    assert not (tmp_path / LAST).exists()


def test_without_its_best_epoch_a_trial_starts_anew(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / LAST, number)
    (tmp_path / BEST).write_text("not what it was")
    assert resume_point(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / LAST, 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceUnavailable, match=r"last\.ckpt cannot be written: No space left on device"):
        save(tmp_path / LAST, 1)
    assert epoch(tmp_path / LAST) == 0
    assert [file.name for file in tmp_path.iterdir()] == [LAST]


def test_a_signal_in_a_write_stays_what_it_is(tmp_path: Path) -> None:
    def interrupt(_signal: int, _frame: object) -> None:
        raise Interrupted("asked to stop")

    class Slow(io.FileIO):
        """A file that takes its time, so that the signal comes while torch writes."""

        def write(self, data: Any) -> int:
            time.sleep(0.02)
            return super().write(data)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for delay in (0.01, 0.05, 0.09):
            signal.setitimer(signal.ITIMER_REAL, delay)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Path, "open", lambda file, mode: Slow(file, mode.replace("b", "")))
                with pytest.raises(Interrupted):
                    checkpoint_io.write_through(
                        {"weights": torch.rand(1000), "more": torch.rand(1000)}, tmp_path / "a.ckpt"
                    )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
