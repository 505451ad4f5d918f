"""Trials' files in an object store or another file system of fsspec, for machines that share no folder.

Each start of a trial has its own folder there, ``URL/<study>-<uid>/trial-0007/<attempt>/``. So a worker that has lost
its trial to another worker cannot overwrite the other's files.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from lightsearch.atomic_files import make_folder
from lightsearch.errors import Mistake, ResourceUnavailable, first_line
from lightsearch.paths import LAST

RESULT = "result.json"
"""This file says that the trial has ended, so it is sent last."""

RESULTS = (RESULT, "epochs.csv", "log.txt")
"""The files of a trial that a coordinator reads. Checkpoints are left where they are."""

PART = ".part"
"""Suffix of a file's name while the file is written."""

WITHOUT_FOLDERS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"}
"""Protocols of object stores: a file appears when it is complete, and making a folder may mean making a bucket."""

COMPLETE = ".whole"
"""This file says that all files which an attempt began with were sent; a machine may be lost while it sends them."""

CHUNK = 1 << 20
"""Bytes that are copied at a time."""

SentFiles = dict[str, tuple[int, int]]
"""Files as they were last sent: the time of their last change in nanoseconds, and their size in bytes."""


class Artifacts:
    """The files of a study's trials at one URL.

    Args:
        url: An fsspec URL (``s3://bucket/prefix``, ``gs://...``, ``file:///shared/...``) of the study's own folder.
    """

    def __init__(self, url: str) -> None:
        import fsspec  # here, since most searches do not use it

        self.url = url
        self._fs, self._root = fsspec.core.url_to_fs(url)

    def send(self, trial: str, attempt: int, folder: Path, sent: SentFiles) -> None:
        """Sends the files that have changed in a trial's folder. A reader sees either the old or the new file.

        Args:
            trial: The folder's name, ``trial-0007``.
            attempt: Which start of the trial, from 1.
            folder: The local folder.
            sent: What was sent before; it is updated.

        Raises:
            ResourceUnavailable: if the files cannot be written there.
        """
        remote = f"{self._root}/{trial}/{attempt}"
        present = _files_in(folder)
        with contextlib.ExitStack() as stack:
            opened: dict[str, IO[bytes]] = {}
            # The last checkpoint is opened first and sent last: no file that is sent with it is older than it is.
            for name in sorted(present, key=lambda one: one != LAST):
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    file = present[name].open("rb")
                    state = os.fstat(file.fileno())
                    stack.enter_context(file)
                    if sent.get(name) != (state.st_mtime_ns, state.st_size):
                        opened[name] = file
            for name in sorted(opened, key=lambda one: (one == RESULT, one == LAST, one)):
                state = os.fstat(opened[name].fileno())
                self._put(opened[name], f"{remote}/{name}")
                sent[name] = (state.st_mtime_ns, state.st_size)
        if COMPLETE not in sent:
            self._put(io.BytesIO(), f"{remote}/{COMPLETE}")
            sent[COMPLETE] = (0, 0)
        for name in sent.keys() - present.keys() - {COMPLETE}:
            with self._errors_in_one_line("be written to"), contextlib.suppress(FileNotFoundError):
                self._fs.rm(f"{remote}/{name}")
            del sent[name]

    def newest(self, trial: str, at_most: int) -> int | None:
        """A trial's newest attempt, up to ``at_most``, that was sent completely; None if there is none."""
        with self._errors_in_one_line("be read"):
            complete = re.compile(rf"/(\d+)/{re.escape(COMPLETE)}$")
            found = (complete.search(path) for path in self._files(f"{self._root}/{trial}"))
            attempts = [int(match[1]) for match in found if match]
        return max((attempt for attempt in attempts if attempt <= at_most), default=None)

    def fetch(self, trial: str, attempt: int, folder: Path, names: Iterable[str] | None = None) -> None:
        """Fetches the files of an attempt that exist there.

        Args:
            trial: The folder's name, ``trial-0007``.
            attempt: Which start of the trial, from 1.
            folder: The local folder to write to.
            names: Files to fetch; all if None.

        Raises:
            ResourceUnavailable: if they cannot be read.
        """
        remote = f"{trial}/{attempt}/"
        with self._errors_in_one_line("be read"):
            for path in self._files(f"{self._root}/{remote}"):
                name = path[path.rindex(remote) + len(remote) :]
                if (names is None or name in names) and name != COMPLETE and not name.endswith(PART):
                    make_folder((folder / name).parent)
                    temporary = (folder / name).with_name(f".{Path(name).name}.fetched")
                    with self._fs.open(path, "rb") as source, temporary.open("wb") as target:
                        shutil.copyfileobj(source, target, CHUNK)
                    temporary.replace(folder / name)

    def with_checkpoints(self) -> set[int]:
        """Numbers of the trials that have checkpoints there."""
        with self._errors_in_one_line("be read"):
            found = (re.search(r"/trial-(\d+)/\d+/[^/]+\.ckpt$", path) for path in self._files(self._root))
            return {int(match[1]) for match in found if match}

    def delete_checkpoints(self, trial: str) -> None:
        """Deletes a trial's checkpoints, those of all its attempts."""
        with self._errors_in_one_line("be written to"):
            for path in self._files(f"{self._root}/{trial}"):
                if path.endswith(".ckpt"):
                    with contextlib.suppress(FileNotFoundError):  # another coordinator was faster
                        self._fs.rm(path)

    def delete(self) -> None:
        """Deletes all files at the URL."""
        with self._errors_in_one_line("be deleted"):
            self._fs.invalidate_cache()
            if self._fs.exists(self._root):
                self._fs.rm(self._root, recursive=True)

    def _put(self, source: IO[bytes], path: str) -> None:
        with self._errors_in_one_line("be written to"):
            if _has_folders(self._fs):  # a reader sees no part of a file
                self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                with self._fs.open(f"{path}{PART}", "wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)
                self._fs.mv(f"{path}{PART}", path)
            else:
                with self._fs.open(path, "wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)

    def _files(self, folder: str) -> list[str]:
        self._fs.invalidate_cache()  # other machines write there too
        return [str(path) for path in self._fs.find(folder)] if self._fs.exists(folder) else []

    @contextlib.contextmanager
    def _errors_in_one_line(self, what: str) -> Iterator[None]:
        """Makes a ``ResourceUnavailable`` of every error of the file system."""
        try:
            yield
        except Exception as error:  # each file system has its own errors
            reason = first_line(error, empty="")
            raise ResourceUnavailable(f"{self.url} cannot {what}: {type(error).__name__}: {reason}"[:300]) from error


def check_artifacts(url: str) -> list[Mistake]:
    """What is wrong with a URL for artifacts. A file is written there, read and deleted."""
    if any(urlsplit(part).password for part in url.split("::")):
        hint = (
            "everybody on this machine can read the arguments of a command; "
            "give the password in the environment variables of the file system"
        )
        return [Mistake("--artifacts", "...", hint)]
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(url)
        probe = f"{root.rstrip('/')}/.lightsearch-{uuid.uuid4().hex}"
        if _has_folders(fs):
            fs.makedirs(root, exist_ok=True)
        with fs.open(probe, "wb") as file:
            file.write(b"probe")
        content = fs.cat_file(probe)
        fs.rm(probe)
        if content != b"probe":
            return [Mistake("--artifacts", url, "does not give back what is written to it")]
    except Exception as error:  # each file system has its own errors
        reason = first_line(error, empty="")
        hint = f"{type(error).__name__}: {reason}; write a folder's path, file:///..., s3://bucket/prefix, ..."
        return [Mistake("--artifacts", url, hint)]
    return []


def results_in(folder: Path) -> dict[str, bytes]:
    """The files of a trial's folder that a coordinator reads, as far as they exist; of a long file its end."""
    found = {}
    for name in RESULTS:
        with contextlib.suppress(FileNotFoundError):
            found[name] = (folder / name).read_bytes()[-CHUNK:]
    return found


def local_folder(url: str) -> Path | None:
    """The folder that a URL names; None if it names none on this machine."""
    import fsspec

    fs, root = fsspec.core.url_to_fs(url)
    return Path(root) if "file" in _protocols(fs) else None


def _files_in(folder: Path) -> dict[str, Path]:
    """The folder's files by their relative names; hidden files are left out."""
    found = {}
    for root, folders, names in os.walk(folder):  # it continues if a folder is deleted meanwhile
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(root, name) for name in names if not name.startswith(".")):
            found[file.relative_to(folder).as_posix()] = file
    return found


def _has_folders(fs: Any) -> bool:
    return not WITHOUT_FOLDERS & _protocols(fs)


def _protocols(fs: Any) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
