"""Opens a study: creates it, continues it, or refuses a study file that declares another study under its name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightsearch.declare.scheduling import proposes_parameters, scheduler_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.storage.urls import study_options
from lightsearch.study import creation, learning, provenance, samplers
from lightsearch.study.creation import NewStudy
from lightsearch.study.learning import Learned
from lightsearch.study.leases import Leases
from lightsearch.study.origin import FINISHED
from lightsearch.study.status import is_paused
from lightsearch.study.stored import INIT_FROM, declaration_of, differences
from lightsearch.study.widening import Widening
from lightsearch.study.widenings import earlier_space


def open_study(
    storage: RetryingStorage,
    study_file: StudyFile,
    folder: Path,
    facts: dict[str, Any],
    baseline: dict[str, Any] | None = None,
    *,
    defaults: dict[str, dict[str, Any]] | None = None,
    widen: bool = False,
) -> tuple[optuna.Study, list[str]]:
    """Opens a study, or creates it. The caller holds the study's lock.

    Args:
        storage: The opened storage.
        study_file: The study file.
        folder: The study's folder.
        facts: What is stored with a new study, and compared with what an existing study has: ``data`` (with the digest
            of its split), ``versions``, ``device``, ``noticed`` (what may change within a study, and is then reported).
        baseline: A configuration that a new study runs first.
        defaults: Defaults of the classes for sampled arguments, by section.
        widen: Whether the study may get a wider space.

    Returns:
        The study, and what has changed since it was last run, one line each: what may change, or, if no trial had
        finished and the study is replaced, everything that has changed.

    Raises:
        UserError: if the stored study of this name is another study, or there is nothing to learn from an earlier one.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # the display shows the progress
    learned = learning.learn(storage, study_file)
    attrs = {**_attrs(study_file, facts), **({learning.ATTR: learned} if learned else {})}
    new = NewStudy(study_file, attrs, _first(study_file, baseline, learned))
    creation.discard_unfinished(storage, study_file.name)
    if creation.DELETED + study_file.name in optuna.get_all_study_names(storage):
        command = f"lightsearch delete {study_options(study_file.name, storage.url)}"
        hint = f"its deletion was interrupted; complete it: {command}"
        raise UserError(Mistake("name", study_file.name, hint))
    if study_file.name in creation.study_names(storage):
        return _continue(storage, _load(storage, study_file), new, folder, _Widen(widen, defaults or {}))
    if any(folder.glob("trial-*")):
        hint = f"{folder} holds trials of a study in another storage; use --name"
        raise UserError(Mistake("name", study_file.name, hint))
    creation.create(storage, new)
    return _load(storage, study_file), []


def is_unchanged(study: optuna.Study, study_file: StudyFile) -> bool:
    """Whether a study in the storage has the declaration of a study file, also in what may change within a study."""
    stored, attrs = study.user_attrs, _attrs(study_file, {})
    return all(not differences(stored.get(key), attrs[key]) for key in ("fingerprint", "search"))


def _first(study_file: StudyFile, baseline: dict[str, Any] | None, learned: Sequence[Learned]) -> list[dict[str, Any]]:
    """The configurations that a new study runs first: the baseline, those of the file, and believed ones.

    A scheduler that proposes parameters tries believed ones by itself.
    """
    first = [*([] if baseline is None else [baseline]), *study_file.enqueue]
    if proposes_parameters(study_file):
        return first
    best = [Learned(study=one["study"], uid=one["uid"], configurations=one["configurations"][:1]) for one in learned]
    believed = [dict(centre.params) for centre in learning.believed(study_file, best)]
    return [*first, *(params for position, params in enumerate(believed) if params not in first + believed[:position])]


class _Widen(NamedTuple):
    """Whether and how a study may get a wider space."""

    asked: bool
    defaults: dict[str, dict[str, Any]]


def _load(storage: RetryingStorage, study_file: StudyFile) -> optuna.Study:
    sampler, pruner = samplers.study_sampler(study_file), samplers.pruner(study_file)
    return optuna.load_study(study_name=study_file.name, storage=storage, sampler=sampler, pruner=pruner)


def _attrs(study_file: StudyFile, facts: dict[str, Any]) -> dict[str, Any]:
    """The user attributes of a study."""
    scheduler = scheduler_of(study_file)
    stop = study_file.stop.model_dump(mode="json", exclude_defaults=True)
    return {
        "metric": study_file.metric,
        "fingerprint": study_file.fingerprint(),
        # What may change within a study, and is logged when it does.
        "search": {
            **study_file.model_dump(mode="json", include={"sampler", "pruner"}),
            **({"stop": stop} if stop else {}),
            **({} if scheduler.name == "none" else {"scheduler": scheduler.model_dump(exclude_defaults=True)}),
            **({"prior": prior} if (prior := study_file.space.prior) else {}),
            **({"learn_from": list(study_file.learn_from)} if study_file.learn_from else {}),
            **({} if study_file.init_from is None else {INIT_FROM: study_file.init_from.path}),
        },
        "noticed": {},
        **facts,
    }


def _continue(
    storage: RetryingStorage, study: optuna.Study, new: NewStudy, folder: Path, widen: _Widen
) -> tuple[optuna.Study, list[str]]:
    """Continues an existing study; widens, replaces or refuses it if its declaration has changed."""
    if "fingerprint" not in study.user_attrs:
        hint = "is a study that lightsearch did not make; use --name"
        raise UserError(Mistake("name", study.study_name, hint))
    changes = _declared_changes(study.user_attrs, new.attrs)
    if not changes:
        return study, _log_allowed_changes(study, new.attrs)
    trials = Leases(study, storage, new.study_file, folder).recover(study.get_trials(deepcopy=False))
    if any(trial.state in FINISHED or is_paused(trial) for trial in trials):
        widening = _widening_or_refusal(study, trials, new, changes, widen)
        _check_not_running(study.study_name, trials, folder, changes)
        widening.apply(study, storage, trials)
        study = _load(storage, new.study_file)  # without the cache of trials as they were
        return study, [*changes, *_log_allowed_changes(study, new.attrs)]
    _check_not_running(study.study_name, trials, folder, changes)
    kept = creation.replace_study(storage, study, new, folder)
    what = f"; its unfinished trials are kept in the study {kept}" if kept is not None else ""
    return _load(storage, new.study_file), [*changes, f"no trial had finished, so the study restarts{what}"]


def _declared_changes(stored: dict[str, Any], attrs: dict[str, Any]) -> list[str]:
    """What shapes results and differs from the stored study, one line each."""
    changes = differences(stored["fingerprint"], attrs["fingerprint"])
    before, now = stored["data"].get("split_hash"), attrs["data"].get("split_hash")
    if before != now and not any(change.startswith(("data", "seed")) for change in changes):
        changes.append(f"the data: split {str(before)[:12]} in the study, {str(now)[:12]} in the files")
    return changes


def _log_allowed_changes(study: optuna.Study, attrs: dict[str, Any]) -> list[str]:
    """What may change and has changed, one line each; the study keeps them in a log."""
    stored = {"noticed": {}, **study.user_attrs}
    changes = differences(stored["search"], attrs["search"]) + provenance.changes(stored["noticed"], attrs["noticed"])
    for key in ("search", "noticed"):
        if stored[key] != attrs[key]:
            study.set_user_attr(key, attrs[key])
    if stored.get(learning.ATTR) != attrs.get(learning.ATTR):
        study.set_user_attr(learning.ATTR, attrs.get(learning.ATTR, []))
    if changes:
        log = [*stored.get("changes", []), {"time": time.time(), "changes": changes}]
        study.set_user_attr("changes", log)
    return changes


def _check_not_running(name: str, trials: list[FrozenTrial], folder: Path, changes: list[str]) -> None:
    """Refuses another declaration while a trial of the study runs."""
    owned = any(trial.state is TrialState.RUNNING and "owner" in trial.user_attrs for trial in trials)
    if owned or creation.is_worked_in(folder):
        raise UserError(
            f"The study {name} is running with another declaration:",
            *_indented(changes),
            f"Stop that search first, or give this one a name of its own (--name {name}-2).",
        )


def _widening_or_refusal(
    study: optuna.Study, trials: list[FrozenTrial], new: NewStudy, changes: list[str], widen: _Widen
) -> Widening:
    """The widening of a study that has results, if it is asked for and possible; else refuses the declaration."""
    name = study.study_name
    widening = Widening(declaration_of(study), new.study_file, widen.defaults)
    others = widening.other_changes()
    if study.user_attrs["data"].get("split_hash") != new.attrs["data"].get("split_hash"):
        others = changes
    mistakes = widening.mistakes(trials) if not others else []
    if widen.asked and not others and not mistakes:
        return widening
    if widen.asked and not others:
        raise UserError(*mistakes)
    wider = " All its trials lie in the new space as well: --widen continues this study in it."
    ways = f"Give this one a name of its own (--name {name}-2), or undo the change (also with --set)."
    if widen.asked:
        ways = f"--widen changes [space] only. {ways}"
    before = earlier_space(study.user_attrs, new.attrs["fingerprint"].get("space"))
    raise UserError(
        f"The study {name} holds trials of another declaration:",
        *_indented(changes),
        *([before] if before else []),
        ways + (wider if not others and not mistakes else ""),
    )


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
