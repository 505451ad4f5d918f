import contextlib
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from lightsearch.credentials import redact
from lightsearch.errors import StorageFailed, UserError
from lightsearch.outcome import describe
from lightsearch.storage import locks, opening
from lightsearch.storage.locks import check_server
from lightsearch.storage.opening import attach_storage, open_storage
from lightsearch.storage.urls import check_url, storage_url, study_options
from tests import postgresql
from tests.conftest import environment


def test_sqlite_is_opened_in_wal_mode(tmp_path: Path) -> None:
    open_storage(f"sqlite:///{tmp_path}/a/b/studies.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "a/b/studies.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_options_of_a_command_name_another_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIGHTSEARCH_STORAGE", raising=False)
    assert study_options("mnist", "sqlite:///studies/studies.db") == "--study mnist"
    assert study_options("mnist", f"sqlite:///{Path('studies/studies.db').absolute()}") == "--study mnist"
    assert study_options("mnist", "sqlite:///a b.db") == "--study mnist --storage 'sqlite:///a b.db'"
    url = "postgresql://me:secret@host/studies"
    assert "secret" not in study_options("mnist", url)
    monkeypatch.setenv("LIGHTSEARCH_STORAGE", url)
    assert study_options("mnist", url) == "--study mnist"


def test_a_writer_waits_for_another_program_that_holds_the_lock(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_storage(f"sqlite:///{tmp_path}/s.db"))
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(2.0, lambda: other.execute("COMMIT")).start()
    study.tell(study.ask(), 1.0)
    assert len(study.trials) == 1


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("foo", "no storage URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("postgresql+nodriver://x", "no storage URL"),
        ("oracle+oracledb://x/y", "write sqlite:///path/to/studies.db (one machine) or postgresql://"),
        *((f"{kind}://me:hunter2@host", "Optuna supports this storage") for kind in ("journal", "redis", "mariadb")),
        *((f"{kind}://me:hunter2@host", "Optuna supports this storage") for kind in ("grpc", "mysql+pymysql")),
    ],
)
def test_bad_urls(url: str, hint: str) -> None:
    (mistake,) = check_url(url)
    assert hint in str(mistake)
    assert "hunter2" not in str(mistake)


def test_an_opened_storage_of_optunas_is_no_url() -> None:
    (mistake,) = check_url(optuna.storages.InMemoryStorage())  # type: ignore[arg-type]
    assert "storage = 'InMemoryStorage': give a URL" in str(mistake)


def test_a_folder_is_no_storage(tmp_path: Path) -> None:
    assert "is a folder" in str(check_url(f"sqlite:///{tmp_path}")[0])


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("not a database, but long enough to be looked at " * 50)
    with pytest.raises(UserError, match="cannot be opened"):
        open_storage(f"sqlite:///{tmp_path}/s.db")


@pytest.mark.parametrize("where", ["refuses", "has no such name", "says nothing"])
def test_a_server_that_cannot_be_reached_is_one_line(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (opening, locks):
        monkeypatch.setattr(module, "OPEN_SECONDS", 0.1)
    for module in (opening, locks):
        monkeypatch.setattr(module, "CONNECT_SECONDS", 2)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if where == "says nothing":
            listening.listen()
        address = "db.invalid" if where == "has no such name" else f"127.0.0.1:{listening.getsockname()[1]}"
        url = f"postgresql+psycopg://me:hunter2@{address}/studies"
        (mistake,) = check_server(url)
        with pytest.raises(UserError) as refused:
            open_storage(url)
    for said in (str(mistake), str(refused.value)):
        assert "cannot be opened: " in said
        assert "\n" not in said
        assert "hunter2" not in said


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r'pip install "psycopg\[binary\]"') as refused:
        open_storage("postgresql+psycopg://me:hunter2@db.example/studies")
    assert "hunter2" not in str(refused.value)


def test_a_missing_storage_is_not_created_by_a_reader(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        open_storage(f"sqlite:///{tmp_path}/s.db", create=False)
    assert not list(tmp_path.iterdir())


def test_a_password_is_not_taken_from_the_command_line() -> None:
    for url in ("postgresql://me:hunter2@db.example/x", "postgresql://db.example/x?user=me&password=hunter2"):
        with pytest.raises(UserError, match="put the URL into LIGHTSEARCH_STORAGE") as refused:
            storage_url(url)
        assert "hunter2" not in str(refused.value)
    assert storage_url("postgresql://me@db.example/x") == "postgresql://me@db.example/x"


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in redact("postgresql://db.example/x?user=me&password=hunter2")
    assert "hunter2" not in redact("postgresql://me:hunter2@db.example/x")
    assert all("hunter2" not in str(mistake) for mistake in check_url("nonsense://me:hunter2@host/x"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hunter2@db.example:5432/x", "postgresql://me:***@db.example:5432/x"),
        ("postgresql://me:hun@ter2@db.example/x", "postgresql://me:***"),
        ("postgresql://me:hun:ter2/hunter2?hunter2#@db.example/x", "postgresql://me:***@db.example/x"),
        ("postgresql://me@hunter2:hunter2@db.example/x", "postgresql://me:***"),
        ("postgresql://me:hunter2", "postgresql://me:***"),
        ("postgresql://me:hunter2/x", "postgresql://me:***"),
        ("postgresql://db.example:hunter2/x?sslmode=require", "postgresql://db.example:***?sslmode=require"),
        ("postgresql://[::1]:hunter2/x", "postgresql://[::1]:***"),
        ("postgresql:///me:hunter2@db.example/x", "postgresql://:***"),
        ("postgresql://me@db.example/x?passwd=hunter2&host=a", "postgresql://me@db.example/x?passwd=***&host=a"),
        ("postgresql://me@db.example/x?PWD=hunter2", "postgresql://me@db.example/x?PWD=***"),
        (
            "postgresql://me@db.example/x?sslpassword=hunter2&hunter2",
            "postgresql://me@db.example/x?sslpassword=***&***",
        ),
        ("postgresql://me@db.example/x?options=-chunter2", "postgresql://me@db.example/x?options=***"),
        ("postgresql://me@db.example/x?password=hun@ter2", "postgresql://me:***"),
        ("postgresql://db.example/x?password=hun@ter2", "postgresql://db.example:***"),
        ("mysql+pymysql://me:hunter2@db.example/x", "mysql+pymysql://me:***@db.example/x"),
        ("sqlite:///a@b/studies.db?password=hunter2", "sqlite:///a@b/studies.db?password=***"),
        ("me:hunter2@db.example/x", "..."),
        ("host=db.example password=hunter2", "..."),
        ("postgresql:/me:hunter2@db.example/x", "..."),
        (" postgresql://me:hunter2@db.example/x", "..."),
    ],
)
def test_no_part_of_a_password_is_ever_shown(url: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (opening, locks):
        monkeypatch.setattr(module, "OPEN_SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", None)  # no name is looked for
    said = [redact(url), *(str(mistake) for mistake in check_url(url))]
    if "://" in url and "options" not in url:
        with pytest.raises(UserError) as refused:
            storage_url(url)
        said.append(str(refused.value))
    for words in said:
        assert not re.search("hun|ter2", words), words
    assert redact(url) == shown


def test_a_password_is_kept_out_of_what_drivers_and_trials_say() -> None:
    check_url("postgresql://me:hunter%402@db.example/x")
    for spelling in ("hunter%402", "hunter@2"):
        error = sqlalchemy.exc.OperationalError("select 1", {}, Exception(f"no connection with password {spelling}"))
        reason = StorageFailed(error)
        assert str(reason) == "the storage: no connection with password ***"
        text = describe(RuntimeError(f"me:{spelling}@db.example")).model_dump_json()
        assert "hunter" not in text


def test_an_at_sign_in_a_password_is_a_mistake_with_a_hint() -> None:
    (mistake,) = check_url("postgresql://me:hun@ter2@db.example/x")
    assert "write %40" in str(mistake)


def test_the_option_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTSEARCH_STORAGE", "sqlite:///env.db")
    assert storage_url(None) == "sqlite:///env.db"
    assert storage_url("sqlite:///option.db") == "sqlite:///option.db"
    monkeypatch.delenv("LIGHTSEARCH_STORAGE")
    assert storage_url(None) == "sqlite:///studies/studies.db"


def test_what_the_storage_cannot_do_is_told_from_other_databases(tmp_path: Path) -> None:
    opened = open_storage(f"sqlite:///{tmp_path}/s.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        connection.execute("DROP TABLE studies")
    with pytest.raises(StorageFailed, match="the storage: no such table: studies"):
        opened.get_study_user_attrs(1)


def test_a_storage_whose_files_somebody_closed_is_not_written_to(tmp_path: Path) -> None:
    script = (
        "import os, optuna, sys\n"
        "from lightsearch.machine.descriptors import DescriptorsClosed\n"
        "from lightsearch.storage.opening import open_storage\n"
        "study = optuna.create_study(storage=open_storage('sqlite:///s.db'))\n"
        "os.closerange(3, 256)\n"
        "other = open('other', 'w')  # its number is that of a file of the database\n"
        "try:\n    study.set_user_attr('a', 1)\n"
        "except DescriptorsClosed:\n    print('closed')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert ran.stdout == "closed\n", ran.stderr
    assert (tmp_path / "other").read_bytes() == b""


@pytest.mark.parametrize("opens", ["a worker", "a coordinator"])
def test_who_comes_while_the_server_is_restarted_waits(server: postgresql.Server, opens: str) -> None:
    url = server.database(f"test-{uuid.uuid4().hex}")
    study = optuna.create_study(storage=open_storage(url), study_name="there")
    server.kill()
    starts = threading.Timer(1.0, server.start)
    starts.start()
    again = attach_storage(url) if opens == "a worker" else open_storage(url)
    assert optuna.load_study(study_name="there", storage=again)._study_id == study._study_id
    starts.join()
