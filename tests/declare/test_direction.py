"""The direction that a metric's name implies."""

from __future__ import annotations

import pytest

from lightsearch.declare.direction import direction_line, direction_of, preferred


@pytest.mark.parametrize(
    "metric",
    [
        "val_loss",
        "val_ce",
        "val/bce",
        "MeanSquaredError",
        "top5_error",
        "val_cross_entropy",
        "test/wer",
        "val_kl",
        "FID",
    ],
)
def test_errors_are_minimised(metric: str) -> None:
    assert direction_of(metric) == "minimize"


@pytest.mark.parametrize(
    "metric", ["val_acc", "val/MulticlassF1Score", "BinaryAUROC", "val_r2", "mAP", "val.mIoU", "top5", "val_reward"]
)
def test_scores_are_maximised(metric: str) -> None:
    assert direction_of(metric) == "maximize"


@pytest.mark.parametrize("metric", ["val_price", "replaced", "val_temperature", "power"])
def test_letters_within_a_word_decide_nothing(metric: str) -> None:
    assert direction_of(metric) is None
    assert direction_line(metric, None).startswith('direction = "maximize"  # CHECK: ')


def test_a_metric_of_known_direction_is_proposed() -> None:
    assert preferred(["val_norm", "val_ce", "val_acc"]) == "val_acc"
    assert preferred(["val_norm", "val_ce"]) == "val_ce"
    assert preferred(["val_norm", "val_size"]) == "val_norm"
