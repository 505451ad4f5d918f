"""What a trial uses of the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from lightsearch.machine.usage import cpu_seconds, peak_memory_mb


class Usage:
    """Measures this process from now on, and continues the figures of the trial's earlier attempts.

    Attempts that were killed have left no figures.

    Args:
        result: The trial's ``result.json``, which an earlier attempt may have written.
        attempt: The number of this attempt, from 1.
        shared: Whether the process trains other trials meanwhile. Then nobody knows whose its processor time is, and
            its memory is that of all.
    """

    def __init__(self, result: Path, attempt: int, *, shared: bool) -> None:
        self._earlier = _read(result) if attempt > 1 else {}
        self._began = cpu_seconds()
        self._cpu_is_known = not shared and (attempt == 1 or self._earlier.get("cpu_seconds") is not None)

    def found(self) -> dict[str, float | None]:
        """The fields of an outcome so far."""
        cpu = cpu_seconds() - self._began + (self._earlier.get("cpu_seconds") or 0.0)
        return {
            "cpu_seconds": round(cpu, 2) if self._cpu_is_known else None,
            "memory_mb": self._most("memory_mb", peak_memory_mb()),
            "gpu_memory_mb": self._gpu_memory(),
        }

    def _gpu_memory(self) -> float | None:
        if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            return None
        return self._most("gpu_memory_mb", torch.cuda.max_memory_allocated() / 1e6)

    def _most(self, name: str, now: float) -> float:
        return round(max(now, self._earlier.get(name) or 0.0), 1)


def _read(result: Path) -> dict[str, Any]:
    try:
        found = json.loads(result.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
