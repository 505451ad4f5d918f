from pathlib import Path

import optuna
import pytest

from lightsearch.outcome import Diverged
from lightsearch.pruning import MissingMetric, PruningCallback
from tests.test_training import train


class Never(optuna.pruners.BasePruner):
    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return False


class AfterEpoch(optuna.pruners.BasePruner):
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.last_step == self.epoch


def test_every_epoch_is_reported(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize", pruner=Never())
    callback = PruningCallback(study.ask(), "val_acc")
    _, log = train(tmp_path, callback)
    assert callback.pruned_epoch is None
    reported = study.trials[0].intermediate_values
    assert reported == {row["epoch"]: row["val_acc"] for row in log.history}


def test_a_pruned_trial_ends_its_epoch_whole(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize", pruner=AfterEpoch(1))
    callback = PruningCallback(study.ask(), "val_acc")
    fitted, log = train(tmp_path, callback)
    assert callback.pruned_epoch == 1
    assert fitted.stop_reason == "stopped"
    assert len(log.history) == 2
    assert "train_loss" in log.history[-1]
    assert (tmp_path / "last.ckpt").exists()


def test_a_missing_metric_is_an_error_that_says_what_is_logged(tmp_path: Path) -> None:
    callback = PruningCallback(optuna.create_study().ask(), "val_accuracy")
    with pytest.raises(MissingMetric, match=r'metric = "val_accuracy".*it logs val_acc, val_loss'):
        train(tmp_path, callback)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_no_number_is_an_error(value: float) -> None:
    class Metrics:
        sanity_checking = False
        current_epoch = 3
        callback_metrics = {"val_acc": value}  # noqa: RUF012

    study = optuna.create_study()
    callback = PruningCallback(study.ask(), "val_acc")
    with pytest.raises(Diverged, match=f"val_acc is {value} in epoch 3"):
        callback.on_validation_end(Metrics(), None)
    assert study.trials[0].intermediate_values == {}
