"""Trials on a Ray cluster.

``launcher.py`` is the coordinator's side. It starts ``driver.py``, the process that talks to Ray. The driver knows the
nodes (``nodes.py``; each node runs ``node_report.py`` to describe itself) and keeps a ``worker.py`` wherever one fits.
``messages.py`` holds what coordinator, driver and workers send to each other. Only the driver's process and the nodes
import Ray.
"""

from __future__ import annotations

from dataclasses import dataclass

from lightsearch.errors import Mistake


@dataclass(frozen=True)
class RayCluster:
    """A cluster, and the resources of one trial on it."""

    address: str = "auto"
    """``auto`` (RAY_ADDRESS, or the cluster that this machine belongs to), ``HOST:PORT``, or ``ray://HOST:PORT``."""
    cpus_per_trial: float = 1.0
    """CPUs of a trial, or of a whole pack."""
    gpus_per_trial: float = 0.0
    """GPUs of a trial, or of a whole pack; a fraction of a GPU is shared with others."""

    @property
    def resources(self) -> dict[str, float]:
        """The resources of a trial, by Ray's names."""
        wanted = {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial}
        return {name: count for name, count in wanted.items() if count}

    @property
    def mistakes(self) -> list[Mistake]:
        """What is wrong with the resources."""
        fields = {"--cpus-per-trial": self.cpus_per_trial, "--gpus-per-trial": self.gpus_per_trial}
        mistakes = [Mistake(name, value, "write a number from 0") for name, value in fields.items() if value < 0]
        if not self.resources:
            hint = "a trial needs at least one resource; set it to 1, or set --gpus-per-trial"
            mistakes.append(Mistake("--cpus-per-trial", 0, hint))
        for name, value in fields.items():  # Ray's own rule
            if value > 1 and value != int(value):
                mistakes.append(Mistake(name, value, "values above 1 must be whole numbers"))
        return mistakes
