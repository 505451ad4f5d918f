"""Checkpoint files: written whole and safe from a power cut, and looked at before one is gone on from."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Interrupted
from lightsearch.training import safe_loading

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"


class SafeCheckpoints:
    """Writes a checkpoint to a temporary file, forces it to the disk, and renames it: there is the old or the new one.

    Of the trial's own ``last.ckpt`` the one before is kept as ``previous.ckpt``, should the newer one be damaged later.
    Goes on top of Lightning's ``TorchCheckpointIO``, which loads them, types that are harmless as well, and writes
    those that go to a URL.

    Args:
        folder: The trial's folder.
    """

    _loaded = False
    _left_out: list[str] | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder.resolve()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Writes ``checkpoint``.

        Raises:
            ResourceUnavailable: if it cannot be written; whatever was there before is untouched.
            NotLoadable: if it could not be loaded again; likewise.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)  # type: ignore[misc]
            return
        file = Path(path)
        checkpoint = safe_loading.without_objects(checkpoint)
        self._tell(checkpoint.get(safe_loading.LEFT_OUT, []))
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_through(checkpoint, temporary)
            if self._loaded:
                safe_loading.check(temporary)
            else:  # once for each fit, which says more and takes longer
                safe_loading.load(temporary)
                self._loaded = True
            if file.name == LAST and file.parent.resolve() == self._folder and file.exists():
                _keep(file, file.with_name(PREVIOUS))
            temporary.replace(file)
            _sync_folder(file.parent)
        except OSError as error:
            raise ResourceUnavailable(f"{file} cannot be written: {error.strerror or error}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def load_checkpoint(self, path: Any, *args: Any, **options: Any) -> Any:
        """Reads a checkpoint as Lightning does."""
        with safe_loading.allowed():
            return super().load_checkpoint(path, *args, **options)  # type: ignore[misc]

    def _tell(self, left_out: list[str]) -> None:
        """Says once, in the trial's log, what ``load_from_checkpoint`` will not find."""
        if left_out and left_out != self._left_out:
            print(f"checkpoints hold no {', '.join(left_out)}: no plain value; the study has what it was made from")
            self._left_out = left_out


def resume_point(folder: Path) -> Path | None:
    """The checkpoint to go on from: the last one, or the one before it if the last is damaged.

    Without a whole ``best.ckpt`` the trial starts anew, since its best epoch would be lost. What is damaged is deleted;
    what is whole never is.

    Args:
        folder: The trial's folder.

    Raises:
        NotLoadable: if it is whole, and holds what cannot be loaded safely.
    """
    for name in (LAST, PREVIOUS):
        file = folder / name
        if not file.exists():
            continue
        best = folder / BEST
        if is_whole(file) and (not best.exists() or is_whole(best)):
            safe_loading.check(file)
            return file
        broken = file if not is_whole(file) else best
        print(f"{broken} is damaged; going back to what is whole", flush=True)
        broken.unlink()
        if broken == best:
            break
    for file in folder.rglob("*.ckpt"):  # those of the module's own, in folders of the trial's, included
        file.unlink()
    return None


def is_whole(file: Path) -> bool:
    """Whether every part of a checkpoint has the checksum that was written with it, and can be loaded if it is safe.

    torch writes a zip archive, which keeps a CRC-32 of each tensor and of the rest; loading itself compares none.
    Nothing in the file is executed.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                return False
        safe_loading.load(file)
    except safe_loading.NotLoadable:
        return True  # as it was written
    except OSError as error:
        if (
            error.errno != errno.EINVAL
        ):  # a place before the file's beginning; a file that cannot be read is not damaged
            raise
        return False
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, KeyError):
        return False
    return True


def write_through(checkpoint: dict[str, Any], file: Path) -> None:
    """Writes a checkpoint and forces it to the disk.

    Raises:
        OSError: if it cannot be written.
    """
    with file.open("wb") as stream:
        try:
            torch.save(checkpoint, stream)
        except RuntimeError as error:
            # torch turns whatever ends a write, a signal too, into an error of its own, raised while the writer closes.
            if isinstance(error.__context__, OSError | Interrupted | KeyboardInterrupt):
                raise error.__context__ from None
            raise
        stream.flush()
        os.fsync(stream.fileno())


def _keep(file: Path, name: Path) -> None:
    """Gives ``file`` a second name; at no moment is there no file of the first."""
    link = name.with_name(f".{name.name}.{os.getpid()}")
    link.unlink(missing_ok=True)
    try:
        link.hardlink_to(file)
    except OSError:  # a file system without links
        return
    link.replace(name)
    link.unlink(missing_ok=True)  # of two names of one file, renaming would leave both


def _sync_folder(folder: Path) -> None:
    """Forces a rename to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
