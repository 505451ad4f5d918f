"""The contract with torchmetrics: a metric's state is read, and restored in another object."""

from __future__ import annotations

import pytest
import torch
from torchmetrics import CatMetric, MaxMetric, Metric, MetricCollection
from torchmetrics.classification import BinaryPrecision, BinaryRecall

from lightsearch.compat import metric_state
from lightsearch.compat.metric_state import restore_state, share_states, state_of
from tests.compat.contracts import relies_on


@pytest.mark.parametrize("metric", [MaxMetric, CatMetric])
def test_a_restored_metric_goes_on(metric: type[Metric]) -> None:
    with relies_on("torchmetrics", metric_state):
        whole, restored = metric(), metric()
        whole.update(torch.tensor([3.0, 1.0]))
        restore_state(restored, state_of(whole))
        for one in (whole, restored):
            one.update(torch.tensor([2.0]))
        assert restored.update_count == 2
        assert torch.equal(restored.compute(), whole.compute())


def test_metrics_that_share_a_state_have_it() -> None:
    def update(collection: MetricCollection, *predicted: int) -> None:
        collection.update(torch.tensor(predicted), torch.tensor([1, 0, 1]))

    with relies_on("torchmetrics", metric_state):
        whole, restored = (MetricCollection([BinaryPrecision(), BinaryRecall()]) for _ in range(2))
        update(whole, 1, 1, 0)
        update(whole, 1, 1, 1)
        share_states(whole)
        for name, metric in whole.items():
            restore_state(restored[name], state_of(metric))
        update(whole, 0, 0, 0)
        update(restored, 0, 0, 0)
        assert restored.compute() == whole.compute() == {"BinaryPrecision": 0.6, "BinaryRecall": 0.5}
