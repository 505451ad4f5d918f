"""The study: opened or created, its budget kept, its trials handed out once each and told once each."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from lightsearch import ownership, samplers
from lightsearch.errors import Mistake, UserError
from lightsearch.folders import trial_folder
from lightsearch.outcome import Kind, Outcome
from lightsearch.storage import attach_storage, storage_lock
from lightsearch.study_file import StudyFile

ENUMERATING = {"GridSampler", "BruteForceSampler"}
"""Samplers that visit every point of the space once, and are through then."""


class Due(Enum):
    """Why there is no trial to run just now."""

    LATER = "the trials that run may be enough; if one fails, another is due"
    NONE = "the study has its total of finished trials"
    EXHAUSTED = "the sampler has visited every point of the space"


class Assigned(NamedTuple):
    """A trial to run, owned by this process from now on."""

    trial: Trial
    """Its parameters are sampled."""
    attempt: int
    """Which start of the trial this is, from 1."""


class Ledger:
    """A study in its storage, as coordinators see it.

    Several of them may work on one study: whatever they must not do together happens under one lock.

    Args:
        study_file: The declared study.
        storage: The opened storage.
        url: Its URL, for the lock.
        folder: The study's folder.
    """

    def __init__(self, study_file: StudyFile, storage: BaseStorage, url: str, folder: Path) -> None:
        self.study_file = study_file
        self.storage = storage
        self.url = url
        self.folder = folder
        self.study: optuna.Study

    def open(self, facts: dict[str, Any]) -> list[str]:
        """Opens the study, or creates it.

        Args:
            facts: What is kept with a new study, and compared with an old one's: ``data`` (with its split's digest),
                ``versions``, ``device``.

        Returns:
            What has changed since the study was last run and may change, a line each.

        Raises:
            UserError: if the study of this name is another one.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # progress is the display's business
        declared = self.study_file
        with self._lock():
            names = optuna.get_all_study_names(self.storage)
            new = declared.name not in names
            if new and any(self.folder.glob("trial-*")):
                raise UserError(
                    Mistake(
                        "name", declared.name, f"{self.folder} holds trials of a study in another storage; use --name"
                    )
                )
            options: dict[str, Any] = {
                "storage": self.storage,
                "sampler": samplers.seeded_sampler(declared),
                "pruner": samplers.pruner(declared),
                "study_name": declared.name,
            }
            if new:
                self.study = optuna.create_study(direction=declared.direction, **options)
                attrs = {
                    "uid": uuid.uuid4().hex,
                    "metric": declared.metric,
                    "fingerprint": declared.fingerprint(),
                    "search": _search(declared),
                    **facts,
                }
                for key, value in attrs.items():
                    self.study.set_user_attr(key, value)
                for params in declared.enqueue:
                    self.study.enqueue_trial(dict(params))
                return []
            self.study = optuna.load_study(**options)
            return self._check_same(facts)

    def ask(self, n_trials: int) -> Assigned | Due:
        """A trial to run, with its parameters sampled: an interrupted one, an enqueued one or a new one.

        Args:
            n_trials: The study's total of finished trials.

        Returns:
            The trial, or why none is due.
        """
        with self._lock():
            trials = self._recover(self.study.get_trials(deepcopy=False))
            states = Counter(trial.state for trial in trials)
            finished, running = states[TrialState.COMPLETE] + states[TrialState.PRUNED], states[TrialState.RUNNING]
            if finished >= n_trials:
                return Due.NONE
            if finished + running >= n_trials:
                return Due.LATER
            if not states[TrialState.WAITING] and self._exhausted(trials):
                return Due.EXHAUSTED
            trial = self.study.ask()
            # Looked up in what was read before: a trial's own attributes cost a query each time.
            before = trials[trial.number].user_attrs if trial.number < len(trials) else {}
            attempt = int(before.get("attempt", 0)) + 1
            trial.set_user_attr("owner", ownership.this_process().model_dump())
            trial.set_user_attr("attempt", attempt)
            self.renew(trial._trial_id)
            self.study_file.space.suggest(trial)
            return Assigned(trial, attempt)

    def renew(self, trial_id: int) -> None:
        """Renews this process's lease of a running trial."""
        self.storage.set_trial_user_attr(trial_id, "lease", round(time.time() + ownership.LEASE_SECONDS, 1))

    def tell(self, trial_id: int, outcome: Outcome) -> None:
        """Records what became of a trial; an interrupted one waits to be continued."""
        state = outcome.policy.state
        if state is TrialState.WAITING:
            self.storage.set_trial_state_values(trial_id, state)
            return
        self.storage.set_trial_user_attr(trial_id, "kind", outcome.kind)
        self.storage.set_trial_user_attr(
            trial_id, "result", outcome.model_dump(mode="json", exclude={"params", "kind"})
        )
        self.study.tell(outcome.number, outcome.value if state is TrialState.COMPLETE else None, state)

    def _recover(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Takes over the trials whose coordinator is gone: those that had ended are told, the others wait again."""
        running = [trial for trial in trials if trial.state is TrialState.RUNNING]
        abandoned = [trial for trial in running if ownership.abandoned(trial.user_attrs)]
        for trial in abandoned:
            outcome = read_outcome(trial_folder(self.folder, trial.number), int(trial.user_attrs["attempt"]))
            self.tell(trial._trial_id, outcome or Outcome(number=trial.number, kind=Kind.INTERRUPTED))
        return self.study.get_trials(deepcopy=False) if abandoned else trials

    def _lock(self) -> Any:
        return storage_lock(self.url, f"study-{self.study_file.name}")

    def _exhausted(self, trials: list[FrozenTrial]) -> bool:
        grid = self.study_file.space.grid()
        if grid is None or self.study_file.sampler.name not in ENUMERATING:
            return False
        points = 1
        for values in grid.values():
            points *= len(values)
        return len({tuple(sorted(trial.params.items())) for trial in trials}) >= points

    def _check_same(self, facts: dict[str, Any]) -> list[str]:
        """Refuses another study of the same name; returns what has changed and may."""
        declared, stored = self.study_file, self.study.user_attrs
        if "fingerprint" not in stored:
            raise UserError(Mistake("name", declared.name, "is a study that lightsearch did not make; use --name"))
        changes = differences(stored["fingerprint"], declared.fingerprint())
        before, now = stored["data"].get("split_hash"), facts["data"].get("split_hash")
        if before != now and not any(change.startswith(("data", "seed")) for change in changes):
            changes.append(f"the data: split {str(before)[:12]} in the study, {str(now)[:12]} in the files")
        if changes:
            raise UserError(
                f"The study {declared.name} holds trials of another declaration:",
                *(f"  {change}" for change in changes),
                f"Give this one a name of its own (--name {declared.name}-2), or undo the change.",
            )
        search = _search(declared)
        allowed = differences(stored["search"], search)
        if allowed:
            self.study.set_user_attr("search", search)
            log = [*stored.get("changes", []), {"time": time.time(), "changes": allowed}]
            self.study.set_user_attr("changes", log)
        return allowed


def attach_trial(study_file: StudyFile, url: str, trial_id: int) -> Trial:
    """A running trial as a worker sees it: its parameters are sampled, and it can report and be pruned."""
    study = optuna.load_study(
        study_name=study_file.name,
        storage=attach_storage(url),
        sampler=optuna.samplers.RandomSampler(seed=0),  # never asked: the coordinator has sampled
        pruner=samplers.pruner(study_file),
    )
    return Trial(study, trial_id)


def read_outcome(folder: Path, attempt: int) -> Outcome | None:
    """What a worker wrote at the trial's end; None if it did not come to that in this attempt."""
    try:
        outcome = Outcome.model_validate_json((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return outcome if outcome.attempt == attempt else None


def differences(before: Any, after: Any, field: str = "") -> list[str]:
    """What differs between two JSON values, a line each: ``trainer.max_epochs: 30 in the study, 10 in the file``."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        prefix = f"{field}." if field else ""
        return [line for key in keys for line in differences(before.get(key), after.get(key), f"{prefix}{key}")]
    words = ["nothing" if value is None else repr(value) for value in (before, after)]
    return [] if before == after else [f"{field}: {words[0]} in the study, {words[1]} in the file"]


def _search(study_file: StudyFile) -> dict[str, Any]:
    """What may change within a study, and is logged when it does."""
    search: dict[str, Any] = study_file.model_dump(mode="json", include={"sampler", "pruner"})
    return search


def outcome_of(trial: FrozenTrial) -> Outcome | None:
    """The outcome that was told with a finished trial; None if it has not ended."""
    if "result" not in trial.user_attrs:
        return None
    return Outcome(kind=Kind(trial.user_attrs["kind"]), params=trial.params, **trial.user_attrs["result"])


def leaders(trials: list[FrozenTrial], direction: str, limit: int | None = None) -> list[Outcome]:
    """The complete trials, the best first; of equals the earlier.

    Args:
        trials: All trials of the study.
        direction: ``maximize`` or ``minimize``.
        limit: How many of them; all if None.
    """
    sign = -1 if direction == "maximize" else 1
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and "result" in trial.user_attrs]
    complete.sort(key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    return [outcome for trial in complete[:limit] if (outcome := outcome_of(trial))]


def find_study(storage: BaseStorage, name: str) -> optuna.Study:
    """A study that is there.

    Raises:
        UserError: if it is not, or is not one of lightsearch's.
    """
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        there = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
        raise UserError(Mistake("--study", name, f"no such study in the storage; there are: {there}")) from None
    if "fingerprint" not in study.user_attrs:
        raise UserError(Mistake("--study", name, "is a study that lightsearch did not make"))
    return study


def declaration_of(study: optuna.Study) -> StudyFile:
    """The study file as far as it shapes results, from what is kept with the study."""
    return StudyFile.model_validate({"name": study.study_name, **study.user_attrs["fingerprint"]})
