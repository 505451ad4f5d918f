"""A module that packs take, and what the proof says of modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightsearch.declare.validation import validate
from lightsearch.packs.proof import compare
from studies.examples.tabular import Regressor, Table


class Plain(Regressor):
    """Logs in every way, to a logger too."""

    def __init__(self, learning_rate: float = 1e-3, alpha: float = 1.0) -> None:
        super().__init__([16], learning_rate=learning_rate)
        self._alpha = [alpha]

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch)
        self.log("train_loss", loss, True)
        self.log("both", loss * 2, on_step=True, on_epoch=True)
        self.log("mean", loss * 3, on_step=False, on_epoch=True, batch_size=1)
        if batch_idx == 1:
            self.log_dict({"some": loss})
        return loss


def refuted(model: type, folder: Path, data: type = Table, **trainer: Any) -> str | None:
    study_file, mistakes = validate(
        {
            "name": "proof",
            "metric": "val_mse",
            "direction": "minimize",
            "data": {"class_path": f"{data.__module__}.{data.__name__}"},
            "model": {"class_path": f"{model.__module__}.{model.__name__}"},
            "space": {
                "model": {
                    "learning_rate": {"float": [1e-3, 1e-2], "log": True},
                    "alpha": {"float": [0.5, 2.0]},
                }
            },
            "trainer": {"max_epochs": 3, **trainer},
            "logger": {"class_path": "pytorch_lightning.loggers.CSVLogger"},
        }
    )
    assert study_file is not None, mistakes
    params = {"learning_rate": 2e-3, "alpha": 1.5}
    return compare(study_file, params, None, folder).difference
