"""Adds a configuration to an existing study, as the next trial to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from lightsearch.compat.optuna_trials import study_id_of
from lightsearch.declare.enqueued import refused
from lightsearch.declare.scalars import FloatParameter, IntParameter
from lightsearch.errors import Mistake, UserError, did_you_mean
from lightsearch.storage.locks import study_lock
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.origin import FINISHED
from lightsearch.study.searches import running_searches
from lightsearch.study.status import is_paused
from lightsearch.study.stored import declaration_of


class Enqueued(NamedTuple):
    """A configuration that was enqueued."""

    number: int
    """The trial's number."""
    waiting: int
    """The trials that wait and come before it. Those that are paused come after it."""
    total: int
    """The ``--n-trials`` that a search needs in order to run it."""
    running_to: int | None
    """The highest total of the searches that run; None: none runs."""
    paused: int = 0
    """The trials that are paused, and part of the total. They do not keep a running search from taking this one."""

    @property
    def is_taken(self) -> bool:
        """Whether a search that runs takes the trial."""
        return self.running_to is not None and self.running_to >= self.total - self.paused


def enqueue(study: optuna.Study, storage: RetryingStorage, url: str, params: Mapping[str, Any]) -> Enqueued:
    """Enqueues a configuration. Parameters that are left out are sampled.

    Args:
        study: The study.
        storage: Its storage.
        url: The storage's URL.
        params: Values by the names of the study's parameters.

    Raises:
        UserError: with one line for each name that the study does not have, and each value outside of its space.
    """
    study_file = declaration_of(study)
    trials = study.get_trials(deepcopy=False)
    of_function = study_file.objective is not None
    hints = _refused_by_function(trials, params) if of_function else refused(study_file.space, params)
    if hints:
        raise UserError(*(Mistake(name, params[name], hint) for name, hint in hints.items()))
    with study_lock(url, study.study_name, retry_seconds=storage.retry_seconds):
        before = study.get_trials(deepcopy=False)
        study.enqueue_trial(_as_declared(trials, params) if of_function else dict(params))
        searches = running_searches(storage, study_id_of(study))
    paused = sum(map(is_paused, before))
    waiting = sum(trial.state is TrialState.WAITING for trial in before) - paused
    running = sum(trial.state is TrialState.RUNNING and "owner" in trial.user_attrs for trial in before)
    finished = sum(trial.state in FINISHED for trial in before)
    return Enqueued(
        number=len(before),
        waiting=waiting,
        total=finished + running + waiting + paused + 1,
        running_to=max((search.budget.n_trials for search in searches), default=None),
        paused=paused,
    )


def _refused_by_function(trials: Sequence[FrozenTrial], params: Mapping[str, Any]) -> dict[str, str]:
    """The values that a function does not take, as far as its trials tell: a function declares its own ranges."""
    known, hints = _distributions(trials), {}
    for name, value in params.items():
        distribution = known.get(name)
        if known and distribution is None:
            hints[name] = did_you_mean(name, known)
        elif isinstance(distribution, CategoricalDistribution) and value not in distribution.choices:
            hints[name] = f"{name} takes {', '.join(map(repr, distribution.choices))}"
        elif isinstance(distribution, IntDistribution | FloatDistribution):
            parameter = _parameter(distribution)
            if not parameter.contains(value):
                hints[name] = f"{name} takes {parameter.takes}"
    return hints


def _parameter(distribution: IntDistribution | FloatDistribution) -> IntParameter | FloatParameter:
    """The parameter that a study file would declare for a range of numbers."""
    kind = IntParameter if isinstance(distribution, IntDistribution) else FloatParameter
    step = None if distribution.step == 1 and kind is IntParameter else distribution.step
    return kind.model_construct(bounds=(distribution.low, distribution.high), step=step)


def _as_declared(trials: Sequence[FrozenTrial], params: Mapping[str, Any]) -> dict[str, Any]:
    """The values for a function, to which Optuna passes an enqueued 1 as it is, also where it samples real numbers."""
    known = _distributions(trials)
    return {
        name: float(value) if isinstance(known.get(name), FloatDistribution) else value
        for name, value in params.items()
    }


def _distributions(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    return {name: one for trial in trials for name, one in trial.distributions.items()}
