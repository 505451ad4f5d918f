"""Any of Lightning's loggers, one run a trial; and constraints, which a trial meets before it logs anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lightsearch
from lightsearch.errors import UserError

LOGGER = """
import json
from pathlib import Path

from pytorch_lightning.loggers import Logger

class Lines(Logger):
    def __init__(self, to: str, project: str, name: str):
        super().__init__()
        self.to, self.project, self._name = Path(to), project, name

    @property
    def name(self):
        return self._name

    @property
    def version(self):
        return None

    def log_hyperparams(self, params):
        self._write(dict(params))

    def log_metrics(self, metrics, step=None):
        self._write(metrics)

    def _write(self, what):
        with (self.to / f"{self.project}.{self.name}").open("a") as file:
            file.write(json.dumps(what, default=str) + "\\n")
"""


def test_a_logger_beside_the_study_file_has_a_run_a_trial(place: Path) -> None:
    (place / "studies" / "logger_of_a_test.py").write_text(LOGGER)
    file = place / "studies" / "digits.toml"
    spec = {"class_path": "logger_of_a_test.Lines", "init_args": {"to": str(place)}}
    keys = {"logger": spec, "constraints": {"latency_ms": 60_000.0}, "trainer": {"max_epochs": 2}}
    result = lightsearch.search(file, 2, workers=0, **keys)
    for trial in result.study.trials:
        assert trial.state.name == "COMPLETE"
        lines = (place / f"digits.trial-{trial.number:04d}").read_text().splitlines()
        logged = [json.loads(line) for line in lines]
        assert logged[0]["hidden_size"] == trial.params["hidden_size"]
        accuracies = [line["val_acc"] for line in logged if "val_acc" in line]
        assert accuracies == pytest.approx(list(trial.intermediate_values.values()))
        assert trial.constraints["latency_ms"] < 0
    assert len(list(place.glob("digits.trial-*"))) == 2


def test_a_trial_that_is_too_slow_is_not_trained(place: Path) -> None:
    result = lightsearch.search(place / "studies" / "digits.toml", 2, workers=0, constraints={"latency_ms": 1e-6})
    assert result.best is None
    for trial in result.study.trials:
        told = trial.user_attrs["result"]
        assert (trial.state.name, told["stop_reason"], told["epochs"]) == ("PRUNED", "infeasible", 0)
        latency, spread = told["metrics"]["latency_ms"], told["metrics"]["latency_ms_spread"]
        assert trial.constraints["latency_ms"] == latency - 1e-6 - spread > 0
        assert not list((place / "studies" / "digits" / f"trial-{trial.number:04d}").glob("*.ckpt"))


@pytest.mark.parametrize("name", ["TensorBoardLogger", "WandbLogger"])
def test_a_logger_without_its_package_costs_no_trial(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("lightsearch.training.loggers.find_spec", lambda package: None)  # whatever is installed here
    spec = {"class_path": f"pytorch_lightning.loggers.{name}"}
    with pytest.raises(UserError) as refused:
        lightsearch.search(place / "studies" / "digits.toml", workers=0, logger=spec)
    (line,) = refused.value.mistakes
    package = name.removesuffix("Logger").lower()
    assert str(line).endswith(f"{name}': needs a package that is not installed: pip install {package}")
    assert not (place / "studies" / "studies.db").exists()
