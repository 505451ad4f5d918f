"""Widens the space of a study: the trials that it has become trials of the wider space.

A declaration widens a study if every trial has the same configuration under both: the sampled arguments, those of the
study file, and the defaults of the classes are the same. Then the storage gets the values and the distributions that
the trials have in the new space. Optuna requires the same choices in all trials of a study, and its samplers learn
from trials of the same distributions only. The study keeps both spaces, and how many trials it had.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from lightsearch.compat.optuna_trials import CMA_STATE, study_id_of, trial_id_of
from lightsearch.declare.arguments import declared_arguments, with_sampled
from lightsearch.declare.sections import CallbackSpec
from lightsearch.declare.space import Entry, Section, Space
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.values import part_of
from lightsearch.errors import Mistake
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.stored import differences
from lightsearch.study.widenings import ATTR, WidenedSpace

Arguments = dict[Section, dict[str, Any]]
Declared = dict[str, tuple[Any, BaseDistribution]]
"""Values and distributions by the names of parameters."""


@dataclass(frozen=True)
class Widening:
    """A declaration beside the one that a study has.

    Args:
        old: The stored declaration.
        new: The declaration of the study file.
        defaults: Defaults of the classes for sampled arguments, by section.
    """

    old: StudyFile
    new: StudyFile
    defaults: Mapping[str, Mapping[str, Any]]

    def other_changes(self) -> list[str]:
        """What differs besides the sampled arguments, one line each: with any of it, it is another study."""
        if self.old.objective is not None or self.new.objective is not None:  # a function declares no space
            return differences(self.old.fingerprint(), self.new.fingerprint())
        return differences(self._unsampled(self.old), self._unsampled(self.new))

    def mistakes(self, trials: Sequence[FrozenTrial]) -> list[Mistake]:
        """Why the declaration does not widen the study: one mistake per argument; none if it does.

        Args:
            trials: All trials of the study.
        """
        found: dict[str, Mistake] = {}
        if self.new.sampler.name == "GridSampler":
            hint = "would visit the earlier points again; write BruteForceSampler, which visits the others only"
            found["sampler"] = Mistake("sampler.name", "GridSampler", hint)
        for trial in trials:
            for mistake in self._mistakes_of(trial):
                found.setdefault(mistake.field, mistake)
        for mistake in self._narrowed():
            found.setdefault(mistake.field, mistake)
        return list(found.values())

    def apply(self, study: optuna.Study, storage: RetryingStorage, trials: Sequence[FrozenTrial]) -> None:
        """Changes the storage in one transaction. There are no mistakes; the caller holds the study's lock."""
        before, after = self.old.fingerprint(), self.new.fingerprint()
        record = WidenedSpace(
            time=round(time.time(), 3),
            trials=len(trials),
            changes=differences(before, after),
            before=before["space"],
            after=after["space"],
        )
        storage.redeclare_params(
            study_id_of(study),
            {trial_id_of(trial): self._declared(trial) for trial in trials if trial.params},
            attrs={"fingerprint": after, ATTR: [*study.user_attrs.get(ATTR, []), record]},
            forget=CMA_STATE,
        )

    def _declared(self, trial: FrozenTrial) -> Declared:
        """The parameters of a trial in the new space."""
        if self.old.space.is_sampled(trial.params):
            return _declare(self.new.space, self._params(self._arguments(self.old, trial.params))[0])
        if trial.state is TrialState.WAITING:
            return {}  # it was stopped half-way through sampling, and is sampled again
        kept = {name: (value, trial.distributions[name]) for name, value in trial.params.items()}
        return {name: _declare_alone(self.new.space, name, *one) for name, one in kept.items()}

    def _mistakes_of(self, trial: FrozenTrial) -> list[Mistake]:
        """Why a trial's configuration is not in the new space."""
        if not trial.params or (trial.state is TrialState.WAITING and not self.old.space.is_sampled(trial.params)):
            return []
        if not self.old.space.is_sampled(trial.params):  # another program's
            entries = {entry.name: entry for entry in self.new.space.entries}
            wrong = [name for name in entries if name in trial.params and not _takes(entries[name], trial.params[name])]
            return [self._mistake(entries[name], trial.params[name], f"trial {trial.number} has it") for name in wrong]
        arguments = self._arguments(self.old, trial.params)
        params, outside = self._params(arguments)
        has = f"trial {trial.number} has it"
        if outside:
            return [self._mistake(entry, value, has) for entry, value in outside]
        again = self._arguments(self.new, params)
        for entry in [*self.old.space.entries, *self.new.space.entries]:
            value = _find(arguments[entry.section], entry.argument)
            if _find(again[entry.section], entry.argument) != value:
                return [self._mistake(entry, value, has)]
        return []

    def _narrowed(self) -> list[Mistake]:
        """The arguments whose range or choices the new space does not contain."""
        new = {(entry.section, entry.argument): entry for entry in self.new.space.entries}
        found = []
        for entry in self.old.space.entries:
            wider = new.get((entry.section, entry.argument))
            if wider is not None:
                outside = [value for value in entry.parameter.extremes() if not _takes(wider, value)]
                found += [self._mistake(entry, value, "the study samples it") for value in outside]
        return found

    def _mistake(self, entry: Entry, value: Any, who: str) -> Mistake:
        field = f"space.{entry.section}.{entry.argument}"
        way_out = f"or search under a name of its own (--name {self.new.name}-2)"
        if value is None:
            hint = "earlier trials have no value of it: neither the study file nor the class has one"
            return Mistake(field, value, f"{hint}; leave it out, {way_out}")
        entries = {(one.section, one.argument): one.parameter.takes for one in self.new.space.entries}
        takes = entries.get((entry.section, entry.argument))
        now = f"the file takes {takes}" if takes else "the file no longer samples it"
        return Mistake(field, value, f"{who}, and {now}; include it, {way_out}")

    def _arguments(self, declared: StudyFile, params: dict[str, Any]) -> Arguments:
        """The arguments of a configuration: sampled ones, those of the file, and defaults of sampled arguments."""
        given, sampled = declared_arguments(declared), declared.space.split(params)
        return {
            section: with_sampled(with_sampled(dict(self.defaults.get(section, {})), given[section]), sampled[section])
            for section in given
        }

    def _params(self, arguments: Arguments) -> tuple[dict[str, Any], list[tuple[Entry, Any]]]:
        """The parameters of the new space that make arguments, and the arguments that none makes."""
        params: dict[str, Any] = {}
        outside = []
        for entry in self.new.space.entries:
            if not entry.parameter.applies(params):
                continue
            value = _find(arguments[entry.section], entry.argument)
            try:
                params |= entry.parameter.read(value, entry.name)
            except ValueError:
                outside.append((entry, value))
        return params, outside

    def _unsampled(self, declared: StudyFile) -> dict[str, Any]:
        """A fingerprint without the arguments that either space samples."""
        shape = declared.fingerprint()
        del shape["space"]
        for entry in [*self.old.space.entries, *self.new.space.entries]:
            table: Any = _arguments_in(shape, entry.section)
            *outer, name = entry.argument.split(".")
            for part in outer:
                table = part_of(table, part)
            if isinstance(table, dict):
                table.pop(name, None)
        return shape


def _arguments_in(shape: dict[str, Any], section: Section) -> dict[str, Any]:
    """The arguments of a section of a fingerprint; those of the callbacks are below their labels."""
    if section == "callbacks":
        tables = shape.get("callbacks", [])
        return {CallbackSpec.model_validate(table).label: table["init_args"] for table in tables}
    table: dict[str, Any] = shape.get(section, {})
    return table if section == "trainer" else table.get("content" if section == "config" else "init_args", {})


def _find(arguments: Any, path: str) -> Any:
    """The value of an argument, ``outer.inner``; None if there is none."""
    for part in path.split("."):
        arguments = part_of(arguments, part)
    return arguments


def _takes(entry: Entry, argument: Any) -> bool:
    try:
        entry.parameter.read(argument, entry.name)
    except ValueError:
        return False
    return True


def _declare(space: Space, params: dict[str, Any]) -> Declared:
    trial = FixedTrial(params)
    values = space.suggest(trial)
    return {name: (value, trial.distributions[name]) for name, value in values.items()}


def _declare_alone(space: Space, name: str, value: Any, distribution: BaseDistribution) -> tuple[Any, BaseDistribution]:
    """A parameter of a trial that has not all of them: in the new space if it has it, else as it was."""
    for entry in space.entries:
        if entry.name == name and _takes(entry, value) and entry.parameter.suggest(FixedTrial({name: value}), name):
            trial = FixedTrial({name: value})
            entry.parameter.suggest(trial, name)
            return value, trial.distributions[name]
    return value, distribution
