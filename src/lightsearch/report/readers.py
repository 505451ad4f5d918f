"""Readers of what a storage holds of a study, whichever program wrote it: values, objectives, parameters, times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from lightsearch.outcome import Outcome
from lightsearch.study.epoch_values import curve_of
from lightsearch.study.leases import LEASE_SECONDS
from lightsearch.study.periods import periods_of
from lightsearch.study.status import PAUSED, Status, status_of

if TYPE_CHECKING:
    import optuna

ZONE_SECONDS = 900
"""Time zones differ by multiples of a quarter of an hour."""
MAX_ZONE_SHIFT = timedelta(hours=26)
"""No two time zones are further apart."""


def as_dict(attribute: object) -> dict[str, Any]:
    """A study's attribute as a dictionary; empty if another program stored something else under its name."""
    return attribute if isinstance(attribute, dict) else {}


def first_epoch(declared: Mapping[str, Any]) -> int:
    """The number of the first epoch of a curve: people count from 1. The steps of a function are its own, from 0.

    Args:
        declared: The study file as the study stores it.
    """
    return 0 if "objective" in declared else 1


def value_of(trial: FrozenTrial, outcome: Outcome | None) -> float | None:
    """A trial's finite value: the best epoch's if there is an outcome, else the trial's own, else the last reported."""
    if outcome is not None:
        return outcome.value
    value = trial.values[0] if trial.values else None
    if value is None and (reported := list(curve_of(trial).values())):
        value = reported[-1]
    return value if value is not None and math.isfinite(value) else None


def directions_of(study: optuna.Study) -> list[str]:
    """The direction of each objective, ``maximize`` or ``minimize``; a direction that is not set counts as maximize."""
    return ["minimize" if direction.name == "MINIMIZE" else "maximize" for direction in study.directions]


def objectives_of(study: optuna.Study) -> list[tuple[str, str]]:
    """The name and the direction of each objective.

    The objectives of another program may have no names. They are called ``value``, or ``value_0``, ``value_1``, ...
    """
    directions = directions_of(study)
    if len(directions) == 1:
        return [(str(study.user_attrs.get("metric") or "value"), directions[0])]
    names = study.metric_names or []
    if len(set(names)) < len(directions):
        names = [f"value_{index}" for index in range(len(directions))]
    return list(zip(names, directions, strict=True))


def distributions_of(trials: Iterable[FrozenTrial]) -> dict[str, list[BaseDistribution]]:
    """The different distributions of each parameter, in the order in which the parameters first appear."""
    found: dict[str, list[BaseDistribution]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            known = found.setdefault(name, [])
            if distribution not in known:
                known.append(distribution)
    return found


def utc_times(trial: FrozenTrial) -> tuple[datetime | None, datetime | None]:
    """The first start and the end of a trial in UTC; if it ended while it was paused, the end of its last epoch."""
    started, ended = _last_times(trial)
    periods = periods_of(trial)
    if not periods:
        return started, ended
    return periods[0][0], periods[-1][1] if _ended_in_a_pause(trial) else ended


def _ended_in_a_pause(trial: FrozenTrial) -> bool:
    """Whether a trial was paused when the search ended: it was not resumed, or had not become better for long."""
    return trial.state.is_finished() and bool(trial.user_attrs.get(PAUSED))


def spans_of(trial: FrozenTrial) -> tuple[tuple[datetime, datetime | None], ...]:
    """When a trial ran, between its pauses: starts and ends in UTC; the last end is None if it runs."""
    periods, status = periods_of(trial), status_of(trial)
    started, ended = _last_times(trial)
    if started is None or _ended_in_a_pause(trial) or (ended is None and status is not Status.RUNNING):
        return tuple(periods)
    return (*periods, (started, ended))


def _last_times(trial: FrozenTrial) -> tuple[datetime | None, datetime | None]:
    """The last start and the end of a trial in UTC.

    Optuna stores local times without their zone. They are taken to be in this machine's zone, unless the trial's
    lease shows another one: the lease is stored in seconds since 1970 and is renewed while the trial runs.
    """
    started, ended = (time and time.astimezone(UTC) for time in (trial.datetime_start, trial.datetime_complete))
    lease = trial.user_attrs.get("lease")
    if started is None or not isinstance(lease, int | float):
        return started, ended
    slack = timedelta(seconds=LEASE_SECONDS)
    renewed = datetime.fromtimestamp(lease, UTC) - slack
    if started - slack <= renewed <= (ended or renewed) + slack:
        return started, ended
    zones = round((renewed - (ended or started)).total_seconds() / ZONE_SECONDS)
    shift = timedelta(seconds=zones * ZONE_SECONDS)
    if abs(shift) > MAX_ZONE_SHIFT:  # the trial waited for its next attempt
        return started, ended
    return started + shift, ended and ended + shift
