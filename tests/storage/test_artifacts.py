"""Trials' files away from the machine that they were made on, in a local and in an in-memory file system."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import optuna
import pytest

from lightsearch.atomic_files import file_digest
from lightsearch.errors import ResourceUnavailable
from lightsearch.launchers import CANNOT_WRITE, Ended, Job
from lightsearch.launchers.mirrored import MirroredLauncher
from lightsearch.outcome import Kind, Outcome
from lightsearch.storage.artifacts import Artifacts, check_artifacts
from lightsearch.storage.study_artifacts import fetch_checkpoint
from tests.conftest import command


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{uuid.uuid4().hex}/study" if request.param == "memory" else f"file://{tmp_path}/bucket/study"


def files(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): file.read_text()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    }


def test_what_is_sent_is_what_is_fetched(url: str, tmp_path: Path) -> None:
    here, there, sent_files = tmp_path / "here", tmp_path / "there", {}
    (here / "csv_logs").mkdir(parents=True)
    (here / "last.ckpt").write_text("weights")
    (here / "csv_logs" / "metrics.csv").write_text("epoch\n0\n")
    (here / ".worker.lock").write_text("not theirs")
    artifacts = Artifacts(url)
    artifacts.send("trial-0003", 1, here, sent_files)
    (here / "last.ckpt").write_text("better weights")
    (here / "csv_logs" / "metrics.csv").unlink()
    artifacts.send("trial-0003", 1, here, sent_files)
    Artifacts(url).fetch("trial-0003", 1, there)
    assert files(there) == {"last.ckpt": "better weights"} == files(here)
    assert Artifacts(url).with_checkpoints() == {3}
    artifacts.delete_checkpoints("trial-0003")
    assert Artifacts(url).with_checkpoints() == set()


def test_a_start_that_was_lost_while_it_was_sent_is_passed_over(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = Artifacts(url)
    for name in ("best.ckpt", "last.ckpt"):
        (tmp_path / name).write_text(name)
    artifacts.send("trial-0000", 1, tmp_path, {})
    put, sent = artifacts._put, []

    def fail_at_the_last(source: object, path: str) -> None:
        if path.endswith("last.ckpt"):
            raise ResourceUnavailable("the machine is gone")
        sent.append(path)
        put(source, path)  # type: ignore[arg-type]

    monkeypatch.setattr(artifacts, "_put", fail_at_the_last)
    with pytest.raises(ResourceUnavailable):
        artifacts.send("trial-0000", 2, tmp_path, {})
    assert sent
    assert Artifacts(url).newest("trial-0000", 2) == 1


class OneEpochAStart:
    """A stand-in for a launcher: every start adds an epoch to its folder's, and ends."""

    blocks = False

    slots = 1

    def __init__(self) -> None:
        self.ended: list[Ended] = []

    def launch(self, job: Job) -> None:
        with (job.arguments["folder"] / "epochs.csv").open("a") as file:
            file.write(f"attempt {job.arguments['attempt']}\n")
        self.ended.append(Ended(job.number, 0))

    def wait(self, timeout: float) -> list[Ended]:
        ended, self.ended = self.ended, []
        return ended

    def stop(self, number: int, *, kill: bool = False) -> None: ...

    def close(self) -> None: ...


def test_a_trial_goes_on_on_any_machine_with_what_it_had(url: str, tmp_path: Path) -> None:
    machines = {
        name: MirroredLauncher(OneEpochAStart(), Artifacts(url), tmp_path / name if name == "node" else None)
        for name in ("one", "two", "node")
    }
    for attempt, name in enumerate(("one", "two", "one", "node", "one"), start=1):
        folder = tmp_path / name / "trial-0001"
        machines[name].launch(Job(1, folder, print, {"attempt": attempt, "folder": folder}))
        (ended,) = machines[name].wait(0)
        expected = "".join(f"attempt {number}\n" for number in range(1, attempt + 1))
        assert ended.exit_code == 0
        assert ended.files == ({"epochs.csv": expected.encode()} if name == "node" else {})
        assert files(folder) == ({} if name == "node" else {"epochs.csv": expected})
    Artifacts(url).fetch("trial-0001", 5, tmp_path / "fetched")
    assert files(tmp_path / "fetched") == {"epochs.csv": expected}
    for machine in machines.values():
        machine.close()


def test_what_cannot_be_sent_is_told_of_its_trial_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = Artifacts(f"memory://{uuid.uuid4().hex}")
    put = artifacts._put

    def full(source: object, path: str) -> None:
        if "trial-0001" in path:
            raise ResourceUnavailable("memory:// cannot be written to: it is full")
        put(source, path)  # type: ignore[arg-type]

    monkeypatch.setattr(artifacts, "_put", full)
    launcher = MirroredLauncher(OneEpochAStart(), artifacts)
    for number in (1, 2):
        folder = tmp_path / f"trial-{number:04d}"
        launcher.launch(Job(number, folder, print, {"attempt": 1, "folder": folder}))
    ended = {one.number: one for one in launcher.wait(0)}
    launcher.close()
    assert (ended[1].exit_code, ended[1].reason) == (CANNOT_WRITE, "memory:// cannot be written to: it is full")
    assert ended[2].exit_code == 0


def test_the_checkpoint_of_an_earlier_start_is_not_taken_for_the_best(place: Path) -> None:
    study = optuna.create_study(study_name="s")
    study.set_user_attr("artifacts", f"file://{place}/bucket/s")
    folder, there = place / "studies" / "s", place / "bucket" / "s" / "trial-0000" / "2"
    for parent, content in ((folder / "trial-0000", "of start 1"), (there, "of start 2")):
        parent.mkdir(parents=True)
        (parent / "best.ckpt").write_text(content)
    outcome = Outcome(number=0, kind=Kind.COMPLETE, attempt=2, checkpoint="trial-0000/best.ckpt")
    outcome = outcome.model_copy(update={"sha256": file_digest(there / "best.ckpt")})
    fetch_checkpoint(study, folder, outcome)
    assert (folder / "trial-0000" / "best.ckpt").read_text() == "of start 2"


def test_a_url_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert check_artifacts(f"file://{tmp_path}/new") == []
    assert os.listdir(tmp_path / "new") == []  # noqa: PTH208
    for url, hint in (
        (f"file://{tmp_path}/file/below", "NotADirectory"),
        ("s4://bucket", "Protocol not known"),
        ("ftp://me:secret@host/x", "password"),
    ):
        (mistake,) = check_artifacts(url)
        assert hint in str(mistake)
        assert "secret" not in str(mistake)
        assert "\n" not in str(mistake)


@pytest.mark.slow
def test_a_search_on_another_machine_goes_on_with_what_was_sent(place: Path, tmp_path: Path) -> None:
    """Two folders, as two machines without a shared one; the database is shared."""
    other = tmp_path / "other machine"
    other.mkdir()
    options = ("--storage", f"sqlite:///{tmp_path}/shared.db", "--study", str(place / "studies" / "digits.toml"))
    options += ("--set", "trainer.max_epochs=4", "--set", "keep_top_k=2", "--pack", "off")
    first = command("run", *options, "--n-trials", 3, "--artifacts", f"{tmp_path}/bucket", cwd=place)
    assert first.returncode == 0, first.stderr
    second = command("run", *options, "--n-trials", 6, cwd=other)  # the URL is remembered
    assert second.returncode == 0, second.stderr
    (bucket,) = (tmp_path / "bucket").iterdir()
    kept = {path.parent.parent.name for path in bucket.glob("trial-*/*/*.ckpt")}
    assert len(kept) == 2
    study = optuna.load_study(storage=f"sqlite:///{tmp_path}/shared.db", study_name="digits")
    sent = {path.parent.parent.name for path in bucket.glob("trial-*/*/result.json")}  # one for each start of a trial
    assert len(sent) == 6 == len(study.trials)
    best = f"trial-{study.best_trial.number:04d}"
    here, there = (place, other) if not (place / "studies" / "digits" / best / "best.ckpt").exists() else (other, place)
    assert (there / "studies" / "digits" / best / "best.ckpt").exists()
    tested = command("evaluate", "--study", "digits", *options[:2], cwd=here)
    assert tested.returncode == 0, tested.stderr
    refused = command("run", *options, "--n-trials", 7, "--artifacts", f"{tmp_path}/elsewhere", cwd=place)
    assert refused.returncode == 2
    assert "the study's trials are at" in refused.stderr
