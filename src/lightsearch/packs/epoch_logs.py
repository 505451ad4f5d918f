"""What the steps of an epoch log, for several members at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lightsearch.compat.logged_metric import LoggedMetric
from lightsearch.packs.member import Logged


class EpochLogs:
    """What the steps of an epoch logged.

    Args:
        members: The number of members.
    """

    def __init__(self, members: int) -> None:
        self._members = members
        self._steps: dict[str, list[int]] = {}
        self._values: dict[str, list[Tensor]] = {}
        self._measured: dict[str, list[list[Any]]] = {}
        self._weights: dict[str, list[int]] = {}
        self._options: dict[str, dict[str, Any]] = {}

    def add(
        self,
        step: int,
        logged: Mapping[str, Tensor],
        measured: Sequence[Mapping[str, Any]],
        options: Mapping[str, dict[str, Any]],
        samples: int,
    ) -> None:
        """Adds what a step logged. Values stay on their device: no synchronisation within an epoch.

        Args:
            step: The number of the batch in its epoch.
            logged: Values, (members,) each.
            measured: Per member, what is logged of its metrics; nothing of a member that has left.
            options: Keyword arguments of ``log``, by name.
            samples: The size of the batch.
        """
        for name, values in logged.items():
            self._values.setdefault(name, []).append(values)
        for name in {name: None for of_member in measured for name in of_member}:
            self._measured.setdefault(name, []).append([of_member.get(name, 0.0) for of_member in measured])
        for name in options:
            if name in logged or any(name in of_member for of_member in measured):
                self._options[name] = options[name]
                self._steps.setdefault(name, []).append(step)
                self._weights.setdefault(name, []).append(int(options[name].get("batch_size") or samples))

    def of_each(self) -> list[list[Logged]]:
        """What each member logged."""
        stacked = {name: torch.stack(values).cpu() for name, values in self._values.items()}  # (steps, members) each
        columns = [{name: values[:, i].tolist() for name, values in stacked.items()} for i in range(self._members)]
        for i, of_member in enumerate(columns):
            for name, rows in self._measured.items():
                values = [row[i] for row in rows]
                of_member[name] = [one if isinstance(one, LoggedMetric) else float(one) for one in values]
        return [
            [
                Logged(name, self._steps[name], values, self._weights[name], self._options[name])
                for name, values in of_member.items()
            ]
            for of_member in columns
        ]
