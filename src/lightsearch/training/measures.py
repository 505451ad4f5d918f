"""What lightsearch itself measures of a trial's model before training: for constraints, and as objectives.

A latency is the time of a forward pass of one sample on the CPU, in evaluation mode, on one thread, for any number of
workers. During the measurement the other trials on the machine pause (see ``machine.quiet_cores``). After three passes
to warm up, passes are repeated for half a second, at least 20 times. A pass during which the operating system took the
core away does not count. The latency is the median of the passes, its spread their interquartile range.

As a rule two measurements of one model differ by less than the spread. In ten processes one after the other, with half
of two cores used by other programs, the medians of an MLP of 0.08 ms, an MLP of 0.12 ms and a CNN of 0.9 ms had
standard deviations of 20%, 10% and 3% with passes for 0.3 s, of 4%, 2% and 3% for 1 s, and of 30%, 15% and 18% with
the first 20 passes only. The interquartile range covered the difference of 84% to 100% of the pairs in the first case,
of all pairs in the second, and of 53% to 80% in the third. CPU time is no better: other programs that share a cache or
a physical core increase it too. The standard error of the median would be far too small, because processes differ by
more than the passes within one process. In a search with two workers on the same busy machine, the latencies of ten
trials of one architecture had a standard deviation of 1% to 6%, and all pairs were equal; 23 passes during the other
worker's training had 7% to 19%.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from lightsearch.declare.measures import MEASURES, SPREAD

WARM_UP, PASSES, SECONDS = 3, 20, 0.5
"""Passes to warm up; the minimum number of passes that count; how long they are repeated."""


class Measured(NamedTuple):
    """A measure of a model."""

    value: float
    spread: float | None = None
    """Values that differ by less are equal; None: the value is exact."""


def measure(names: Iterable[str], model: Any, data: Any) -> dict[str, float]:
    """Measures a model: the values of some of ``MEASURES`` by name, and their spreads, as in ``latency_ms_spread``.

    Args:
        names: Names of the measures.
        model: A LightningModule. For a latency its input is its ``example_input_array``, if any; otherwise the first
            sample of the first element of the first validation batch.
        data: The model's LightningDataModule.
    """
    found = {}
    for name in names:
        found[name], spread = _MEASURES[name](model, data)
        if spread is not None:
            found[name + SPREAD] = spread
    return found


def time_passes(once: Callable[[], object]) -> Measured:
    """The median and the interquartile range of the time of a function, in milliseconds.

    Args:
        once: One pass.
    """
    for _ in range(WARM_UP):
        once()
    passes: list[float] = []
    undisturbed: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(passes) < PASSES or time.perf_counter() < end:
        switches, began = _switches(), time.perf_counter()
        once()
        milliseconds = (time.perf_counter() - began) * 1e3
        passes.append(milliseconds)
        if _switches() == switches:
            undisturbed.append(milliseconds)
    counted = undisturbed if len(undisturbed) >= PASSES else passes
    first, median, third = statistics.quantiles(counted, n=4, method="inclusive")
    return Measured(median, third - first)


def _parameters(model: Any, data: Any) -> Measured:  # noqa: ARG001
    return Measured(sum(weights.numel() for weights in model.parameters() if weights.requires_grad))


def _latency_ms(model: Any, data: Any) -> Measured:
    import torch

    from lightsearch.machine.quiet_cores import cores

    sample = getattr(model, "example_input_array", None)
    if sample is None:
        data.prepare_data()
        data.setup("fit")
        batch = next(iter(data.val_dataloader()))
        sample = (batch[0] if isinstance(batch, list | tuple) else batch)[:1]
    inputs = sample if isinstance(sample, tuple) else (sample,)
    training, threads = model.training, torch.get_num_threads()
    model.eval()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(), cores().quiet() as quiet:
            if not quiet:
                print("the latency is measured while other trials train: they did not pause in time", flush=True)
            return time_passes(lambda: model(*inputs))
    finally:
        torch.set_num_threads(threads)
        model.train(training)


def _switches() -> int:
    """How often the operating system has taken the core from this thread (from this process, if it cannot tell)."""
    who = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    return resource.getrusage(who).ru_nivcsw


_MEASURES: dict[str, Callable[[Any, Any], Measured]] = dict(zip(MEASURES, (_parameters, _latency_ms), strict=True))
