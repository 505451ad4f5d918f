"""A person sees the frames of their own code."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable

import torch

from lightsearch.display.failure import own_frames


def trace_of(function: Callable[..., object], *arguments: object) -> str:
    try:
        function(*arguments)
    except Exception as error:
        return "".join(traceback.format_exception(error))
    raise AssertionError("it raised nothing")


class Wrong(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            return torch.nn.functional.linear(x, torch.zeros(3, 7))
        except RuntimeError as error:
            raise ValueError("no such layer") from error


def test_the_frames_of_libraries_are_left_out() -> None:
    whole = trace_of(Wrong(), torch.zeros(2, 5))
    shown = own_frames(whole)
    assert "torch/nn/modules/module.py" in whole
    assert "torch/nn/modules/module.py" not in shown
    assert shown.count("in forward") == 2  # of the cause, too
    assert "shapes cannot be multiplied" in shown
    assert "The above exception was the direct cause" in shown
    assert shown.endswith("ValueError: no such layer")


def test_it_is_whole_if_there_are_no_others() -> None:
    lines = trace_of(json.loads, "{").splitlines()
    whole = "\n".join(line for line in lines if "test_failure" not in line and "function(*arguments)" not in line)
    assert "decoder.py" in whole
    assert own_frames(whole) == whole
