"""A callback that writes down when the first training step of a search begins."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback

FILE = "FIRST_STEP_FILE"
"""The environment variable with the file that receives the time."""


class FirstStep(Callback):
    """Writes the time, in seconds since 1970, at the first step of the first trial. Dry runs are no trials."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0 and Path(trainer.default_root_dir).name.startswith("trial-"):
            with contextlib.suppress(FileExistsError), Path(os.environ[FILE]).open("x") as file:
                file.write(str(time.time()))
