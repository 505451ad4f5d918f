"""Folders of studies: what prevents a folder from being one."""

from pathlib import Path

import pytest

from lightsearch.paths import check_folder


@pytest.mark.parametrize("name", ["studies.db", "studies.db-wal", "notes.txt", "examples"])
def test_a_name_that_something_else_has_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "net.py").touch()
    (mistake,) = check_folder(tmp_path / name, tmp_path / "studies.db")
    assert str(mistake).startswith(f"name = {name!r}: {tmp_path}")
    assert str(mistake).endswith("; use another name")


def test_a_studys_own_folder_and_none_are_in_order(tmp_path: Path) -> None:
    (tmp_path / "digits" / "trial-0000").mkdir(parents=True)
    (tmp_path / "digits" / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    for name in ("digits", "empty", "new"):
        assert check_folder(tmp_path / name, tmp_path / "studies.db") == []
        assert check_folder(tmp_path / name, None) == []
