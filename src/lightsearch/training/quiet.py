"""Silences Lightning: a search has a display of its own."""

from __future__ import annotations

import logging
import warnings


def quiet() -> None:
    """Silences Lightning's log and some of its warnings; errors are still raised."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*sync_dist=True.*",
        ".*exists and is not empty.*",
        ".*The dirpath has changed.*",  # of a module's own ModelCheckpoint, when its checkpoint is tested or loaded
        ".*LeafSpec.*",
        ".*`srun` command is available.*",
    ):
        warnings.filterwarnings("ignore", message)
