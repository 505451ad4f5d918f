"""LCBench's surrogate: a network that predicts the learning curve of a configuration on one of its tasks.

Zimmer, Lindauer and Hutter, Auto-PyTorch Tabular (2021) trained the configurations; Pfisterer et al., YAHPO Gym (2022)
fitted the network. It is read with onnxruntime: ``pip install lightsearch[bench]``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lightsearch.declare.values import Value
from tests.benchmarks.search_efficiency.problem import Objective, Scale, Trajectory

EPOCHS = 52
FEATURES = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
"""The network's inputs after the epoch, in its order."""
TASK = "OpenML_task_id"
SECONDS, ACCURACY = 0, 1
"""Columns of its output: training time up to an epoch in seconds, validation accuracy in percent."""


class Surrogate:
    """The tasks of LCBench.

    Args:
        folder: Holds ``model.onnx``, ``encoding.json`` and ``config_space.json``.
        reference: A JSON file: of each task that may be searched the ``median`` and the ``best_of_3000`` accuracy.
    """

    epochs = EPOCHS

    def __init__(self, folder: Path, reference: Path) -> None:
        self.space = {"model": _space(json.loads((folder / "config_space.json").read_text()))}
        self.scales = {
            task: Scale(known["median"], known["best_of_3000"])
            for task, known in json.loads(reference.read_text()).items()
        }
        self._numbers = json.loads((folder / "encoding.json").read_text())[TASK]
        self._session = _session(folder / "model.onnx")

    def objective(self, task: str) -> Objective:
        """The trainings on one task."""
        tasks = np.full((EPOCHS, 1), self._numbers[task], np.int32)

        def train(params: Mapping[str, Value]) -> Trajectory:
            configuration = [float(params[name]) for name in FEATURES]  # type: ignore[arg-type]
            inputs = np.array([[epoch, *configuration] for epoch in range(1, EPOCHS + 1)], np.float32)
            (output,) = self._session.run(None, {"x_cat": tasks, "x_cont": inputs})
            output = output.astype(np.float64)
            # The network does not know that time grows.
            seconds = np.maximum(np.diff(output[:, SECONDS], prepend=0.0), 1e-3)
            return Trajectory(output[:, ACCURACY], seconds)

        return train


def _session(model: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the runs share the cores
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _space(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of a ConfigSpace file, as a study file writes them."""
    return {
        one["name"]: {one["type"].removeprefix("uniform_"): [one["lower"], one["upper"]], "log": one["log"]}
        for one in described["hyperparameters"]
        if one["name"] in FEATURES
    }
