"""Writing checkpoint files: atomic, safe from a power cut, and of types that can be loaded again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Interrupted
from lightsearch.paths import LAST, PREVIOUS
from lightsearch.training import safe_loading


class SafeCheckpoints:
    """Mixin for Lightning's ``TorchCheckpointIO``.

    A checkpoint is written to a temporary file, flushed to the disk and renamed: at any moment there is the old file or
    the new one. The previous version of the trial's ``last.ckpt`` is kept as ``previous.ckpt``, in case the newer one
    is damaged later. Lightning's class still writes checkpoints that go to a URL.

    Args:
        folder: The trial's folder.
    """

    in_memory: tuple[Path, dict[str, Any]] | None = None
    """A checkpoint that is in memory, and the file in whose place it is loaded."""
    _loaded = False
    _left_out: list[str] | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder.resolve()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Writes ``checkpoint``.

        Raises:
            ResourceUnavailable: if it cannot be written; an earlier file of this name is unchanged.
            NotLoadable: if it could not be loaded again; an earlier file of this name is unchanged.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)  # type: ignore[misc]
            return
        file = Path(path)
        checkpoint = safe_loading.without_objects(checkpoint)
        self._report_left_out(checkpoint.get(safe_loading.LEFT_OUT, []))
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_through(checkpoint, temporary)
            if self._loaded:
                safe_loading.check(temporary)
            else:  # once per fit: it finds more, and takes longer
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
        """Loads a checkpoint as Lightning does; further harmless types are allowed."""
        if self.in_memory is not None and self.in_memory[0] == Path(path):
            content = dict(self.in_memory[1])
            self.in_memory[1].clear()  # it takes the memory of a model, and is loaded once
            return content
        with safe_loading.allowed():
            return super().load_checkpoint(path, *args, **options)  # type: ignore[misc]

    def _report_left_out(self, left_out: list[str]) -> None:
        """Prints once, to the trial's log, which arguments ``load_from_checkpoint`` will not find."""
        if left_out and left_out != self._left_out:
            print(f"checkpoints hold no {', '.join(left_out)}: not a plain value; the study has what it was made from")
            self._left_out = left_out


def write_through(checkpoint: dict[str, Any], file: Path) -> None:
    """Writes a checkpoint and flushes it to the disk.

    Raises:
        OSError: if it cannot be written.
    """
    with file.open("wb") as stream:
        try:
            torch.save(checkpoint, stream)
        except RuntimeError as error:
            # torch replaces what ended the write, such as a signal, by an error raised while the writer closes.
            if isinstance(error.__context__, OSError | Interrupted | KeyboardInterrupt):
                raise error.__context__ from None
            raise
        stream.flush()
        os.fsync(stream.fileno())


def _keep(file: Path, name: Path) -> None:
    """Gives ``file`` a second name. A file of the first name exists at every moment."""
    link = name.with_name(f".{name.name}.{os.getpid()}")
    link.unlink(missing_ok=True)
    try:
        link.hardlink_to(file)
    except OSError:  # a file system without hard links
        return
    link.replace(name)
    link.unlink(missing_ok=True)  # renaming a file to another name of the same file leaves both


def _sync_folder(folder: Path) -> None:
    """Flushes a rename to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
