"""Contracts with torch and numpy."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from lightsearch.compat import numpy_internals, torch_internals
from tests.compat.contracts import relies_on


def test_fused_adam_steps_as_the_optimizer_does() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(4, 3), [torch.randn(4, 3) for _ in range(3)]
    expected = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([expected], lr=0.1, fused=True)
    found, average, squares = start.clone(), torch.zeros(4, 3), torch.zeros(4, 3)
    count = torch.tensor(0.0)
    with relies_on("torch", torch_internals):
        for gradient in gradients:
            expected.grad = gradient.clone()
            optimizer.step()
            count += 1
            torch_internals.fused_adam_(
                [found],
                [gradient],
                [average],
                [squares],
                [],
                [count],
                lr=0.1,
                beta1=0.9,
                beta2=0.999,
                weight_decay=0.0,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )
        assert torch.equal(found, expected)


def test_leaves_of_a_batch() -> None:
    with relies_on("torch", torch_internals):
        assert torch_internals.tree_leaves([1, (2, {"a": 3, "b": [4]})]) == [1, 2, 3, 4]


def test_an_optimizer_that_is_marked_steps_for_its_schedules() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    with relies_on("torch", torch_internals), warnings.catch_warnings(action="error"):
        torch_internals.mark_stepped(optimizer)
        schedule.step()


def test_functions_that_pickles_name() -> None:
    with relies_on("numpy", numpy_internals):
        scalar, array = numpy_internals.PICKLE_FUNCTIONS
        assert np.float64(1.0).__reduce__()[0] is scalar
        assert np.ones(2).__reduce__()[0] is array
