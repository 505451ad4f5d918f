"""The fixed list of configurations that the benchmarks train: hidden sizes 16 to 256, batch sizes 32 to 512."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BATCH_SIZES = (32, 64, 128, 256, 512)


def configurations(
    count: int, batch_sizes: Sequence[int] = BATCH_SIZES, order: int | None = None
) -> list[dict[str, float | int]]:
    """``count`` configurations, the same on every call.

    Hidden sizes and learning rates are log-uniform (stratified, so that a short list covers the range as well); batch
    sizes alternate.

    Args:
        count: How many.
        batch_sizes: The sizes that alternate.
        order: The seed of another order of the same list.
    """
    random = np.random.default_rng(0)
    hidden = 16 * 16 ** ((random.permutation(count) + 0.5) / count)
    rates = 5e-4 * 20 ** ((random.permutation(count) + 0.5) / count)
    ordered = [
        {
            "hidden_size": int(hidden[i]),
            "learning_rate": float(f"{rates[i]:.4g}"),
            "batch_size": batch_sizes[i % len(batch_sizes)],
        }
        for i in range(count)
    ]
    if order is None:
        return ordered
    return [ordered[i] for i in np.random.default_rng(order).permutation(count)]
