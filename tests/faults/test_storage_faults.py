"""A storage is locked, cut off or restarted during a search; and its password appears nowhere."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import threading
import time
import uuid
from pathlib import Path

import psutil
import pytest

from tests import postgresql
from tests.conftest import command, start
from tests.faults.helpers import SLOW, Started, check_whole, epochs_reported, load, search_processes, wait_for


@pytest.mark.slow
def test_another_program_locks_the_database_for_seconds(place: Path, started: Started) -> None:
    process = started("--n-trials", 3)
    wait_for(lambda: epochs_reported(place, 5))
    other = sqlite3.connect(place / "studies" / "studies.db", isolation_level=None)
    for _ in range(2):
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(4)
        other.execute("COMMIT")
        time.sleep(0.5)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    check_whole(place, 3)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_call_of_the_storage(place: Path, started: Started, number: int) -> None:
    process = started("--n-trials", 3)
    wait_for(lambda: epochs_reported(place, 5))
    other = sqlite3.connect(place / "studies" / "studies.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    time.sleep(2)  # the workers now wait for the lock, to report an epoch
    os.killpg(process.pid, number)
    time.sleep(3)
    other.execute("COMMIT")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output
    assert "Traceback" not in output
    assert {trial.state.name for trial in load(place).trials} == {"WAITING"}
    done = command("run", "--n-trials", 3, *SLOW, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole(place, 3)


@pytest.fixture
def url(server: postgresql.Server, place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, whose URL is in the environment."""
    url = server.database(f"test-{uuid.uuid4().hex}")
    monkeypatch.setenv("LIGHTSEARCH_STORAGE", url)
    return url


@pytest.mark.slow
def test_postgresql_is_killed_and_restarted_in_mid_search(
    place: Path, started: Started, server: postgresql.Server, url: str
) -> None:
    process = started("--n-trials", 4)
    for epoch in (4, 14):
        wait_for(lambda epoch=epoch: epochs_reported(place, epoch, url))
        server.kill()
        time.sleep(3)
        server.start()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    check_whole(place, 4, url)
    assert {trial.user_attrs["attempt"] for trial in load(place, url).trials} == {1}


@pytest.mark.slow
def test_postgresql_is_restarted_whatever_it_is_asked(place: Path, server: postgresql.Server, url: str) -> None:
    (place / "mine.py").write_text(
        "def objective(trial):\n    x = trial.suggest_float('x', 0, 1)\n"
        "    for step in range(4):\n        trial.report(x, step)\n        trial.should_prune()\n    return x\n"
    )
    (place / "mine.toml").write_text('name = "digits"\nobjective = "mine.objective"\ndirection = "minimize"\n')
    process = start("run", "--study", "mine.toml", "--n-trials", 60, "--workers", 2, cwd=place)
    wait_for(lambda: load(place, url).trials[1].state.is_finished())
    chance = random.Random(1)
    for _ in range(12):  # trials are short, so that workers connect all the time
        server.stop(chance.choice(["fast", "immediate"]))
        time.sleep(chance.uniform(0, 0.6))
        server.start()
        time.sleep(chance.uniform(0, 1.5))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert "Traceback" not in "".join(log.read_text() for log in place.glob("studies/digits/*/log.txt"))
    trials = load(place, url).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 60
    assert {trial.user_attrs["attempt"] for trial in trials} == {1}


@pytest.mark.slow
def test_a_server_that_stays_away_is_one_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = f"postgresql+psycopg://me:{postgresql.PASSWORD}@127.0.0.1:1/none"
    monkeypatch.setenv("LIGHTSEARCH_STORAGE", secret)
    refused = command("run", "--n-trials", 1, cwd=place)
    assert refused.returncode == 2
    assert "cannot be opened" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert postgresql.PASSWORD not in refused.stdout + refused.stderr
    assert not (place / "studies" / "digits").exists()


@pytest.mark.slow
def test_the_password_is_nowhere(place: Path, started: Started, url: str) -> None:
    (place / "odd.py").write_text(
        "import os\nfrom pathlib import Path\nfrom lightsearch import Classifier\n\n"
        "class Fails(Classifier):\n    def on_train_start(self):\n"
        "        if Path(self.trainer.default_root_dir).name == 'trial-0001':\n"
        "            raise RuntimeError('no such layer')\n"
    )
    process = started("--n-trials", 2, "--set", "model.class_path=odd.Fails", fresh=True)
    titles: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.2):
            for one in search_processes(process) if process.poll() is None else []:
                try:
                    titles.append(" ".join(one.cmdline()))
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    said, _ = process.communicate(timeout=120)
    done.set()
    watcher.join()
    assert process.returncode == 0, said
    for name, arguments in (("status", ()), ("report", ()), ("evaluate", ()), ("retrain", ("--top", 1, "--seeds", 1))):
        ran = command(name, "--study", "digits", *arguments, cwd=place)
        assert ran.returncode == 0, ran.stderr
        said += ran.stdout + ran.stderr
    assert postgresql.PASSWORD not in said
    assert titles
    assert not [title for title in titles if postgresql.PASSWORD in title]
    files = [file for file in place.rglob("*") if file.is_file()]
    assert {".ckpt", ".json", ".html", ".csv", ".parquet", ".txt"} <= {file.suffix for file in files}
    assert not [file for file in files if postgresql.PASSWORD.encode() in file.read_bytes()]
    study = load(place, url)
    kept = json.dumps([study.user_attrs, *(trial.user_attrs for trial in study.trials)])
    assert postgresql.PASSWORD not in kept


def test_a_password_on_the_command_line_is_refused(place: Path) -> None:
    secret = f"postgresql+psycopg://me:{postgresql.PASSWORD}@127.0.0.1:1/none"
    for name in ("run", "status", "report", "evaluate", "retrain", "dashboard"):
        study = () if name == "dashboard" else ("--study", "digits")
        refused = command(name, *study, "--storage", secret, cwd=place)
        assert refused.returncode == 2, name
        assert "put the URL into LIGHTSEARCH_STORAGE" in refused.stderr
        assert postgresql.PASSWORD not in refused.stdout + refused.stderr
