from contextlib import suppress
from pathlib import Path

import optuna
import pytest
import torch
from pytorch_lightning import Callback

from lightsearch.outcome import Diverged
from lightsearch.study.epoch_values import curve_of, epoch_values_of
from lightsearch.study.worker_trial import attach_trial
from lightsearch.training.epoch_log import EpochLog
from lightsearch.training.pruning import MissingMetric, PruningCallback, watch_metrics
from tests.conftest import digits, open_queue
from tests.study.test_trial_queue import ask
from tests.training.fits import StopAfter, train


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


SEVERAL = ('metric=["val_acc", "parameters"]', 'direction=["maximize", "minimize"]', "pruner.name=DominatedPruner")


@pytest.mark.parametrize("overrides", [(), SEVERAL], ids=["one objective", "several"])
def test_an_epoch_that_is_trained_again_is_reported_again(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    study_file = digits(*overrides)
    queue = open_queue(study_file, tmp_path)
    assigned = ask(queue, 1)

    def attempt(last: int, *callbacks: Callback) -> EpochLog:
        trial = attach_trial(study_file, queue.url, assigned.trial_id).trial
        log = EpochLog(tmp_path / "fit" / "epochs.csv")
        torch.manual_seed(1)
        with suppress(KeyError):
            watch = watch_metrics(study_file, trial, {"parameters": 9.0})
            log = train(tmp_path / "fit", watch, *callbacks, StopAfter(last))[1]
        return log

    def reported() -> dict[int, float]:
        (trial,) = open_queue(study_file, tmp_path).study.trials
        assert {second for _, second in epoch_values_of(trial).values()} <= {9.0}
        assert not (overrides and trial.intermediate_values)
        return curve_of(trial)

    attempt(2)
    kept = reported()
    assert list(kept) == [0, 1]
    late = attach_trial(study_file, queue.url, assigned.trial_id).trial
    for epoch in (2, 3):  # and killed before a checkpoint had them
        late.report_all([0.123, 9.0], epoch) if overrides else late.report(0.123, epoch)
    (tmp_path / "fit" / "epochs.csv").write_text((tmp_path / "fit" / "epochs.csv").read_text() + "2,1,0.123,1,9\n")
    attempt(2)
    assert reported() == kept  # nothing of an attempt that came no further stays
    assert len((tmp_path / "fit" / "epochs.csv").read_text().splitlines()) == 3
    log = attempt(9)
    assert reported() == {row["epoch"]: row["val_acc"] for row in log.history}
    assert list(reported()) == [0, 1, 2, 3]


def test_each_validation_within_an_epoch_is_a_step_of_several_objectives(tmp_path: Path) -> None:
    study_file = digits(*SEVERAL)
    queue = open_queue(study_file, tmp_path)
    trial = attach_trial(study_file, queue.url, ask(queue, 1).trial_id).trial
    watch = watch_metrics(study_file, trial, {"parameters": 9.0})
    _, log = train(tmp_path / "fit", watch, keywords={"val_check_interval": 0.5, "max_epochs": 2})
    reported = epoch_values_of(open_queue(study_file, tmp_path).study.trials[0])
    assert reported == {row["epoch"]: [row["val_acc"], 9.0] for row in log.history}
    assert len(reported) == 4


def test_a_missing_metric_is_an_error_that_says_what_is_logged(tmp_path: Path) -> None:
    callback = PruningCallback(optuna.create_study().ask(), "val_accuracy")
    with pytest.raises(MissingMetric, match=r'metric = "val_accuracy".*epoch 1.*it logs val_acc, val_loss$'):
        train(tmp_path, callback)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_no_number_is_an_error(value: float) -> None:
    class Metrics:
        sanity_checking = False
        current_epoch = 3
        callback_metrics = {"val_acc": value}  # noqa: RUF012

    study = optuna.create_study()
    callback = PruningCallback(study.ask(), "val_acc")
    with pytest.raises(Diverged, match=f"val_acc is {value} in epoch 4"):
        callback.on_validation_end(Metrics(), None)
    assert study.trials[0].intermediate_values == {}
