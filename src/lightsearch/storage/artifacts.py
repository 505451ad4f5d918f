"""Trials' files in an object store, or any other place that fsspec knows: for machines that share no folder.

Each start of a trial has a folder of its own there, ``URL/<study>-<uid>/trial-0007/<attempt>/``: whoever works on a
trial that was given to another can overwrite nothing of the other's.
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

import optuna

from lightsearch.atomic_files import file_digest, make_folder
from lightsearch.errors import Mistake, ResourceUnavailable, UserError
from lightsearch.outcome import Outcome

RESULT = "result.json"
"""Says that the trial has ended; so it is the last to be sent."""

RESULTS = (RESULT, "epochs.csv", "log.txt")
"""What a coordinator wants of a trial; its checkpoints stay where they are."""

PART = ".part"
"""The end of a file's name while it is written."""

WITHOUT_FOLDERS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"}
"""Object stores: a file is there when it is whole; to make a folder there may mean to make a bucket."""

ATTR = "artifacts"
"""The study's attribute with the place of its trials' files."""

WHOLE = ".whole"
"""Says that every file that a start of a trial began with is there; a machine may be lost while they are sent."""

CHUNK = 1 << 20
"""Bytes that are copied at a time."""

Seen = dict[str, tuple[int, int]]
"""Files as they were sent last: when they were changed, in nanoseconds, and how long they were, in bytes."""


class Artifacts:
    """The files of a study's trials in one place.

    Args:
        url: An fsspec URL (``s3://bucket/prefix``, ``gs://...``, ``file:///shared/...``) of the study's own folder.
    """

    def __init__(self, url: str) -> None:
        import fsspec  # here: most searches need none

        self.url = url
        self._fs, self._root = fsspec.core.url_to_fs(url)

    def send(self, trial: str, attempt: int, folder: Path, seen: Seen) -> None:
        """Sends what has changed in a trial's folder; a reader sees a whole file, the old or the new.

        Args:
            trial: The folder's name, ``trial-0007``.
            attempt: Which start of the trial it is of.
            folder: The folder here.
            seen: What was sent before; brought up to date.

        Raises:
            ResourceUnavailable: if the place does not take them.
        """
        there = f"{self._root}/{trial}/{attempt}"
        present = _files_in(folder)
        with contextlib.ExitStack() as stack:
            opened: dict[str, IO[bytes]] = {}
            # The last checkpoint is opened first and sent last: nothing that is sent with it is older than it is.
            for name in sorted(present, key=lambda one: one != "last.ckpt"):
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    file = present[name].open("rb")
                    state = os.fstat(file.fileno())
                    stack.enter_context(file)
                    if seen.get(name) != (state.st_mtime_ns, state.st_size):
                        opened[name] = file
            for name in sorted(opened, key=lambda one: (one == RESULT, one == "last.ckpt", one)):
                state = os.fstat(opened[name].fileno())
                self._put(opened[name], f"{there}/{name}")
                seen[name] = (state.st_mtime_ns, state.st_size)
        if WHOLE not in seen:
            self._put(io.BytesIO(), f"{there}/{WHOLE}")
            seen[WHOLE] = (0, 0)
        for name in seen.keys() - present.keys() - {WHOLE}:
            with self._telling("be written to"), contextlib.suppress(FileNotFoundError):
                self._fs.rm(f"{there}/{name}")
            del seen[name]

    def newest(self, trial: str, at_most: int) -> int | None:
        """The trial's newest start, not after ``at_most``, whose files are all there; None if there is none."""
        with self._telling("be read"):
            found = (re.search(rf"/(\d+)/{re.escape(WHOLE)}$", path) for path in self._files(f"{self._root}/{trial}"))
            starts = [int(match[1]) for match in found if match]
        return max((start for start in starts if start <= at_most), default=None)

    def fetch(self, trial: str, attempt: int, folder: Path, names: Iterable[str] | None = None) -> None:
        """Fetches the files of a start of a trial, as far as they are there.

        Args:
            trial: The folder's name, ``trial-0007``.
            attempt: The start.
            folder: Where they go.
            names: Files to fetch; all if None.

        Raises:
            ResourceUnavailable: if the place does not give them.
        """
        start = f"{trial}/{attempt}/"
        with self._telling("be read"):
            for path in self._files(f"{self._root}/{start}"):
                name = path[path.rindex(start) + len(start) :]
                if (names is None or name in names) and name != WHOLE and not name.endswith(PART):
                    make_folder((folder / name).parent)
                    temporary = (folder / name).with_name(f".{Path(name).name}.fetched")
                    with self._fs.open(path, "rb") as source, temporary.open("wb") as target:
                        shutil.copyfileobj(source, target, CHUNK)
                    temporary.replace(folder / name)

    def with_checkpoints(self) -> set[int]:
        """Numbers of the trials that have checkpoints there."""
        with self._telling("be read"):
            found = (re.search(r"/trial-(\d+)/\d+/[^/]+\.ckpt$", path) for path in self._files(self._root))
            return {int(match[1]) for match in found if match}

    def delete_checkpoints(self, trial: str) -> None:
        """Deletes a trial's checkpoints, those of all its starts."""
        with self._telling("be written to"):
            for path in self._files(f"{self._root}/{trial}"):
                if path.endswith(".ckpt"):
                    with contextlib.suppress(FileNotFoundError):  # another coordinator was faster
                        self._fs.rm(path)

    def _put(self, source: IO[bytes], path: str) -> None:
        with self._telling("be written to"):
            if _has_folders(self._fs):  # a reader sees no part of a file
                self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                with self._fs.open(f"{path}{PART}", "wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)
                self._fs.mv(f"{path}{PART}", path)
            else:
                with self._fs.open(path, "wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)

    def _files(self, folder: str) -> list[str]:
        self._fs.invalidate_cache()  # others write there too
        return [str(path) for path in self._fs.find(folder)] if self._fs.exists(folder) else []

    @contextlib.contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Whatever a file system raises becomes one line."""
        try:
            yield
        except Exception as error:  # each file system has its own errors
            reason = (str(error).strip().splitlines() or [""])[0]
            raise ResourceUnavailable(f"{self.url} cannot {what}: {type(error).__name__}: {reason}"[:300]) from error


def check_artifacts(url: str) -> list[Mistake]:
    """What is wrong with a place for artifacts; it is written to and read from, and left as it was."""
    if any(urlsplit(part).password for part in url.split("::")):
        hint = "everybody can read a command's words; give the password as the file system's own variables say"
        return [Mistake("--artifacts", "...", hint)]
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(url)
        probe = f"{root.rstrip('/')}/.lightsearch-{uuid.uuid4().hex}"
        if _has_folders(fs):
            fs.makedirs(root, exist_ok=True)
        with fs.open(probe, "wb") as file:
            file.write(b"probe")
        back = fs.cat_file(probe)
        fs.rm(probe)
        if back != b"probe":
            return [Mistake("--artifacts", url, "does not give back what is written to it")]
    except Exception as error:  # each file system has its own errors
        reason = (str(error).strip().splitlines() or [""])[0]
        hint = f"{type(error).__name__}: {reason}; write a folder's path, file:///..., s3://bucket/prefix, ..."
        return [Mistake("--artifacts", url, hint)]
    return []


def artifacts_of(study: optuna.Study, url: str | None = None) -> Artifacts | None:
    """A study's artifacts; None: its files are in the study's folder alone.

    Args:
        study: The study.
        url: Where they are to be, if that is not yet settled; None: where they are.

    Raises:
        UserError: if they are elsewhere already.
    """
    settled = study.user_attrs.get(ATTR)
    if url is not None:
        own = f"{url.rstrip('/')}/{study.study_name}-{study.user_attrs['uid'][:8]}"
        if settled not in (None, own):
            hint = f"the study's trials are at {settled.rpartition('/')[0]}; leave the option out, it is remembered"
            raise UserError(Mistake("--artifacts", url, hint))
        if settled is None:
            study.set_user_attr(ATTR, own)
        settled = own
    return Artifacts(settled) if settled is not None else None


def url_of(storage: Any, name: str) -> str | None:
    """Where a study's artifacts are, if it is there and has some."""
    if name not in optuna.get_all_study_names(storage):
        return None
    place: str | None = optuna.load_study(study_name=name, storage=storage).user_attrs.get(ATTR)
    return place


def bring(study: optuna.Study, folder: Path, outcome: Outcome) -> None:
    """Has a trial's best checkpoint in the study's folder: it is fetched if it is not there, but was sent elsewhere.

    Args:
        study: The study.
        folder: The study's folder.
        outcome: How the trial ended.
    """
    if outcome.checkpoint is None or ATTR not in study.user_attrs:
        return
    file = folder / outcome.checkpoint
    if file.is_file() and file_digest(file) == outcome.sha256:
        return  # it may be of an earlier start, made here before the trial went elsewhere
    trial, _, name = outcome.checkpoint.rpartition("/")
    Artifacts(study.user_attrs[ATTR]).fetch(trial, outcome.attempt, folder / trial, [name])


def results_in(folder: Path) -> dict[str, bytes]:
    """What a coordinator wants of a trial's folder, as far as it is there; of a log the end."""
    found = {}
    for name in RESULTS:
        with contextlib.suppress(FileNotFoundError):
            found[name] = (folder / name).read_bytes()[-CHUNK:]
    return found


def local_folder(url: str) -> Path | None:
    """The folder that a URL means, if it means one."""
    import fsspec

    fs, root = fsspec.core.url_to_fs(url)
    return Path(root) if "file" in _protocols(fs) else None


def _files_in(folder: Path) -> dict[str, Path]:
    """The folder's files, by their names relative to it; hidden ones are left out."""
    found = {}
    for root, folders, names in os.walk(folder):  # which goes on when a folder is deleted meanwhile
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(root, name) for name in names if not name.startswith(".")):
            found[file.relative_to(folder).as_posix()] = file
    return found


def _has_folders(fs: Any) -> bool:
    return not WITHOUT_FOLDERS & _protocols(fs)


def _protocols(fs: Any) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
