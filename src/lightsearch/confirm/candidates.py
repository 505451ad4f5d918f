"""The configurations to retrain: the leaders of the search, and the default values as a baseline."""

from __future__ import annotations

from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from lightsearch.confirm.ranking import Candidate
from lightsearch.confirm.runs import Phase
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.leaders import leaders
from lightsearch.study.lineage import lineage
from lightsearch.study.origin import ended_how, outcome_of
from lightsearch.study.scheduling import ended_where_decided


class ClassInfo(NamedTuple):
    """What the study's classes offer."""

    defaults: dict[str, Any] | None
    """The default values of the sampled arguments; None if one of them has no default, or one outside the space."""
    joins_val: bool
    """Whether the data can train on its validation samples as well: it has a method ``join_val``."""


def ask_classes(study_file: StudyFile) -> ClassInfo:
    """Inspects the study's classes. It imports torch, so it runs in a process that has it."""
    from lightsearch.declare.arguments import default_params
    from lightsearch.declare.classes import find_class

    joins_val = study_file.data is not None and hasattr(find_class(study_file.data, "data"), "join_val")
    try:
        return ClassInfo(default_params(study_file), joins_val)
    except ValueError:
        return ClassInfo(None, joins_val)


def leading(trials: list[FrozenTrial], direction: str, top: int, name: str) -> list[Candidate]:
    """The ``top`` best configurations of the search that differ, the best first.

    Raises:
        UserError: if no trial is complete.
    """
    found: list[Candidate] = []
    for outcome in leaders(trials, direction):
        one = _candidate(trials, outcome)
        if len(found) < top and all((one.params, one.earlier) != (other.params, other.earlier) for other in found):
            found.append(one)
    if not found:
        raise UserError(Mistake("--study", name, "has no complete trial yet; run the search first"))
    return found


def named(trials: list[FrozenTrial], number: int) -> Candidate:
    """The configuration of one trial.

    Raises:
        UserError: if there is no such trial, or it is neither complete nor pruned.
    """
    trial = trial_of(trials, number, "--trial")
    outcome = outcome_of(trial)
    if outcome is None or outcome.kind not in (Kind.COMPLETE, Kind.PRUNED):
        raise UserError(Mistake("--trial", number, f"{ended_how(trial)}; name a complete or pruned trial"))
    return _candidate(trials, outcome)


def trial_of(trials: list[FrozenTrial], number: int, option: str) -> FrozenTrial:
    """A trial by its number.

    Raises:
        UserError: if the study has no trial of this number.
    """
    found = next((trial for trial in trials if trial.number == number), None)
    if found is None:
        numbers = f"its trials are 0 to {max(trial.number for trial in trials)}" if trials else "it has no trials"
        raise UserError(Mistake(option, number, f"no such trial; {numbers}"))
    return found


def with_baseline(candidates: list[Candidate], defaults: dict[str, Any] | None) -> list[Candidate]:
    """The candidates, followed by the defaults if there are any and no candidate has the same values."""
    if defaults is None or any(one.params == defaults for one in candidates):
        return candidates
    trained = max((one.trained for one in candidates if one.trained is not None), default=None)
    return [*candidates, Candidate(trial=None, params=defaults, trained=trained)]


def earlier_phases(trials: list[FrozenTrial], number: int) -> list[Phase]:
    """The phases of a training before those of a trial itself; none if the trial began untrained.

    Raises:
        UserError: if the study no longer has the trial that the training began with.
    """
    segments = lineage(trials, number)
    if segments[0].first > 0:
        hint = "began from another trial's checkpoint, and the study no longer has that one: it cannot be repeated"
        raise UserError(Mistake("--trial", number, hint))
    return [Phase(params=one.params, epochs=one.until) for one in segments[:-1]]


def _candidate(trials: list[FrozenTrial], outcome: Outcome) -> Candidate:
    earlier = earlier_phases(trials, outcome.number)
    decided = ended_where_decided(trial_of(trials, outcome.number, "--trial"), outcome)
    return Candidate(
        trial=outcome.number,
        params=outcome.params,
        earlier=earlier,
        trained=outcome.first_epoch + outcome.curve_epochs if decided else None,
        search_value=outcome.value,
    )
