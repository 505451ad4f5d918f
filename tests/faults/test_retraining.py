"""Retraining under faults: nothing is lost, the same command goes on, and no two processes train one run."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from lightsearch.confirm.display import RetrainDisplay
from lightsearch.confirm.pool import Pool, Stopped, call_train_run
from lightsearch.confirm.runs import Run, RunOutcome
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import Job
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.processes import ProcessLauncher
from lightsearch.outcome import Kind
from tests.conftest import command, digits, enter, start
from tests.faults.helpers import wait_for
from tests.faults.test_damaged_checkpoints import cut

EPOCHS = 6
MODULE = """
import os, resource, signal, time
from pathlib import Path
import torch
from lightsearch import Classifier

class Odd(Classifier):
    def on_train_epoch_start(self):
        folder, epoch = Path(self.trainer.default_root_dir), self.current_epoch
        first = folder.name.endswith("seed-0")
        with open("epochs.log", "a") as log:
            log.write(f"{folder.name} {epoch}\\n")
        {{}}
"""
PARAMS = {"hidden_size": 64, "learning_rate": 0.01, "batch_size": 64}


@pytest.fixture(scope="module")
def server() -> ForkServer:
    return ForkServer()


@pytest.fixture
def odd(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], StudyFile]:
    """Writes a module that does something at the start of an epoch, and declares a study of it."""
    monkeypatch.syspath_prepend(place)

    def declare(does: str) -> StudyFile:
        (place / "odd_module.py").write_text(MODULE.replace("{{}}", does))
        return digits(
            "model.class_path=odd_module.Odd",
            f"trainer={{max_epochs={EPOCHS}, patience=0}}",
            "sampler.name=RandomSampler",
        )

    return declare


def run_of(index: int = 0) -> Run:
    return Run(study_uid="u", purpose="confirm", trial=0, index=index, seed=5 + index, params=PARAMS)


def folder_of(place: Path, index: int = 0) -> Path:
    return run_of(index).folder(place / "studies" / "digits")


def pool(server: ForkServer, place: Path, study_file: StudyFile, workers: int = 1) -> tuple[Pool, io.StringIO]:
    screen = io.StringIO()
    launcher = ProcessLauncher(server, workers=workers, threads=1, accelerators=0)
    return Pool(study_file, place / "studies" / "digits", launcher, RetrainDisplay(Console(file=screen)), None), screen


def begun(place: Path, index: int = 0) -> list[int]:
    """The epochs that a run has begun, in order."""
    lines = [line.split() for line in (place / "epochs.log").read_text().splitlines()]
    return [int(epoch) for name, epoch in lines if name == folder_of(place, index).name]


@pytest.fixture
def undisturbed(server: ForkServer, place: Path, odd: Callable[[str], StudyFile]) -> RunOutcome:
    """The outcome of the run without a fault."""
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (outcome,) = pool(server, elsewhere, odd("pass"))[0].train([run_of()])
    (place / "epochs.log").unlink()
    return outcome


@pytest.mark.parametrize("limit", [100_000, 0], ids=["no room for a checkpoint", "no room for a byte"])
def test_a_full_disk_blocks_it_and_it_goes_on(
    server: ForkServer, place: Path, odd: Callable[[str], StudyFile], undisturbed: RunOutcome, limit: int
) -> None:
    full = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))"
    study_file = odd(f"if epoch == 3 and first and not os.path.exists('room'): {full}")
    doing, _ = pool(server, place, study_file, workers=2)
    with pytest.raises(ResourceUnavailable, match="trial 0, seed 1: .*" if limit else "trial 0, seed 1: ") as blocked:
        doing.train([run_of(0), run_of(1)])
    assert "\n" not in str(blocked.value)
    assert limit == 0 or "best.ckpt cannot be written: File too large" in str(blocked.value)
    assert not (folder_of(place) / "result.json").exists()
    assert (folder_of(place) / "last.ckpt").exists()
    (place / "room").touch()
    outcomes = pool(server, place, study_file)[0].train([run_of(0), run_of(1)])
    assert [outcome.kind for outcome in outcomes] == [Kind.COMPLETE] * 2
    assert outcomes[0].value == undisturbed.value
    assert begun(place) == [0, 1, 2, 3, 3, 4, 5]


def test_a_folder_that_cannot_be_made_blocks_it(
    server: ForkServer, place: Path, odd: Callable[[str], StudyFile]
) -> None:
    doing, _ = pool(server, place, odd("pass"))
    folder_of(place).parent.parent.mkdir(parents=True)
    folder_of(place).parent.touch()
    with pytest.raises(ResourceUnavailable, match=r"^trial 0, seed 1: .* cannot be made: "):
        doing.train([run_of()])


def test_an_allocation_that_fails_is_no_crash(server: ForkServer, place: Path, odd: Callable[[str], StudyFile]) -> None:
    doing, screen = pool(server, place, odd("torch.empty(10**15) if first else None"))
    outcomes = doing.train([run_of(0), run_of(1)])
    assert [outcome.kind for outcome in outcomes] == [Kind.OUT_OF_MEMORY, Kind.COMPLETE]
    assert begun(place) == [0]
    assert "trial 0, seed 1: out_of_memory: " in screen.getvalue()


def test_a_run_that_the_kernel_kills_is_out_of_memory(
    server: ForkServer, place: Path, odd: Callable[[str], StudyFile], small_group: Path
) -> None:
    enter_group = f"Path({str(small_group / 'cgroup.procs')!r}).write_text(str(os.getpid()))"
    eat = f"{enter_group}; self.eaten = [torch.ones(2**24) for _ in range(200)]"
    doing, screen = pool(server, place, odd(f"if first: {eat}"))
    outcomes = doing.train([run_of(0), run_of(1)])
    assert [outcome.kind for outcome in outcomes] == [Kind.OUT_OF_MEMORY, Kind.COMPLETE]
    assert begun(place) == [0]
    assert "the kernel killed its process: the memory was full" in screen.getvalue()


def test_only_deaths_at_the_same_place_are_counted(
    server: ForkServer, place: Path, odd: Callable[[str], StudyFile], undisturbed: RunOutcome
) -> None:
    die = "os.kill(os.getpid(), signal.SIGKILL)"
    once = f"if first and not os.path.exists(f'died-{{epoch}}'): Path(f'died-{{epoch}}').touch(); {die}"
    outcomes = pool(server, place, odd(f"{once}\n        if not first: {die}"))[0].train([run_of(0), run_of(1)])
    assert begun(place, 0) == [epoch for epoch in range(EPOCHS) for _ in range(2)]
    assert outcomes[0].value == undisturbed.value
    assert begun(place, 1) == [0, 0, 0]
    assert outcomes[1].kind is Kind.CRASHED
    assert outcomes[1].error is not None
    assert outcomes[1].error.message == "its process died (SIGKILL)"
    assert not [file for index in (0, 1) for file in folder_of(place, index).glob(".*")]


def test_a_late_worker_is_ended_before_another_trains_its_run(
    server: ForkServer, place: Path, odd: Callable[[str], StudyFile], undisturbed: RunOutcome
) -> None:
    study_file = odd(
        "if epoch == 3 and not os.path.exists('on'): Path('on').touch(); os.kill(os.getpid(), signal.SIGSTOP)"
    )
    late = ProcessLauncher(server, workers=1, threads=1, accelerators=0)
    folder_of(place).mkdir(parents=True)
    arguments = {"study_file": study_file, "run": run_of(), "folder": folder_of(place), "data_dir": None, "attempt": 1}
    late.launch(Job(0, folder_of(place), call_train_run, arguments))
    try:
        wait_for((place / "on").exists)
        (outcome,) = pool(server, place, study_file)[0].train([run_of()])
        (ended,) = late.wait(10)
    finally:
        late.close()
    assert ended.exit_code == -signal.SIGKILL
    assert outcome.value == undisturbed.value
    assert begun(place) == [0, 1, 2, 3, 3, 4, 5]
    assert "ending it" in (folder_of(place) / "log.txt").read_text()


def test_a_damaged_checkpoint_is_not_gone_on_from(
    server: ForkServer, place: Path, odd: Callable[[str], StudyFile], undisturbed: RunOutcome
) -> None:
    study_file = odd("if epoch == 4 and not os.path.exists('on'): Path('on').touch(); time.sleep(60)")
    doing, _ = pool(server, place, study_file)
    with pytest.raises(Stopped) as stopped, signal_when((place / "on").exists, signal.SIGTERM):
        doing.train([run_of()])
    assert stopped.value.exit_code == 143
    cut(folder_of(place) / "last.ckpt")
    (outcome,) = pool(server, place, study_file)[0].train([run_of()])
    assert outcome.value == undisturbed.value
    assert begun(place) == [0, 1, 2, 3, 4, 3, 4, 5]
    assert "last.ckpt is damaged" in (folder_of(place) / "log.txt").read_text()


class signal_when:  # noqa: N801
    """Sends this process signals, one after the other, once a condition is true."""

    def __init__(self, condition: Callable[[], bool], *numbers: int, pause: float = 0.5) -> None:
        self._thread = threading.Thread(target=self._send, args=(condition, numbers, pause))

    def _send(self, condition: Callable[[], bool], numbers: tuple[int, ...], pause: float) -> None:
        wait_for(condition, 60)
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(pause)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def test_a_second_ctrl_c_ends_it_at_once(server: ForkServer, place: Path, odd: Callable[[str], StudyFile]) -> None:
    deaf = "Path('on').touch(); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    doing, screen = pool(server, place, odd(deaf))
    with pytest.raises(KeyboardInterrupt), signal_when((place / "on").exists, signal.SIGINT, signal.SIGINT):
        doing.train([run_of()])
    assert "press Ctrl-C again to end at once" in screen.getvalue()
    assert not [child for child in psutil.Process().children(recursive=True) if works_in(child, folder_of(place))]


def works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return any(Path(file.path) == folder / "log.txt" for file in process.open_files())
    except psutil.Error:
        return False


# The command.


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished study. Its model waits at the third epoch of a run while the file ``wait`` exists."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("searched"), patch)
        does = "while epoch == 3 and 'confirm' in folder.name and os.path.exists('wait'): time.sleep(0.05)"
        (place / "odd_module.py").write_text(MODULE.replace("{{}}", does))
        model = ("--set", "model.class_path=odd_module.Odd", "--set", f"trainer.max_epochs={EPOCHS}")
        done = command("run", "--n-trials", 1, "--workers", 1, *model, cwd=place)
        assert done.returncode == 0, done.stdout + done.stderr
        yield place


def test_two_at_a_time_and_a_killed_one(searched: Path) -> None:
    words = ("retrain", "--trial", 0, "--seeds", 1, "--workers", 1)
    (searched / "wait").touch()
    first = start(*words, cwd=searched)
    folder = folder_of(searched)
    try:
        wait_for(lambda: (folder / "epochs.csv").exists() and len((folder / "epochs.csv").read_text().split()) == 4)
        workers = [one for one in psutil.Process(first.pid).children(recursive=True) if works_in(one, folder)]
        assert len(workers) == 1
        second = command(*words, cwd=searched)
        assert second.returncode == 2
        assert second.stderr.startswith(f"--study = 'digits': process {first.pid} on ")
        assert second.stderr.endswith("retrains it; wait until that has ended, or end it\n")
        assert len(second.stderr.splitlines()) == 1
        first.send_signal(signal.SIGKILL)
        wait_for(lambda: not workers[0].is_running() or workers[0].status() == psutil.STATUS_ZOMBIE, 30)
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
    (searched / "wait").unlink()
    done = command(*words, cwd=searched)
    assert done.returncode == 0, done.stdout + done.stderr
    assert begun(searched) == [0, 1, 2, 3, 3, 4, 5]
    assert (searched / "reports" / "digits" / "final" / "model.ckpt").exists()
    assert not (searched / "studies" / "digits" / ".retrain.json").exists()
