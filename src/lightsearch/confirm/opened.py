"""A study opened for retraining: it is there, its classes and its data are what they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from lightsearch.confirm import candidates
from lightsearch.confirm.display import Display
from lightsearch.confirm.pool import Pool
from lightsearch.confirm.ranking import Candidate
from lightsearch.confirm.record import is_foreign
from lightsearch.confirm.runs import Purpose, Run, retraining_seed
from lightsearch.declare.reading import modules_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, UserError
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.processes import ProcessLauncher
from lightsearch.machine.cores import threads_for, workers_that_fit
from lightsearch.paths import check_writable, study_folder
from lightsearch.preflight.checks import Preflight, preflight
from lightsearch.storage.opening import open_storage
from lightsearch.study import provenance
from lightsearch.study.stored import check_has_model, declaration_of, find_study


@dataclass(frozen=True)
class RetrainContext:
    """A study that can be retrained: it is there, its classes and its data are what they were."""

    study: optuna.Study
    declared: StudyFile
    folder: Path
    url: str
    data_dir: str | None
    server: ForkServer
    facts: Preflight
    known: candidates.ClassInfo

    def run(self, purpose: Purpose, one: Candidate, index: int, **rest: Any) -> Run:
        """A run of a configuration on a fresh seed."""
        seed = retraining_seed(self.declared.seed, purpose, one.trial, index)
        uid = str(self.study.user_attrs.get("uid"))
        return Run(study_uid=uid, purpose=purpose, trial=one.trial, index=index, seed=seed, params=one.params, **rest)

    def pool(self, n_runs: int, workers: int | None, display: Display, *, threads: int | None = None) -> Pool:
        """A pool for so many runs of so many workers; None: it fills the cores, or has one worker a GPU."""
        accelerators, devices = self.facts.accelerators, self.facts.devices
        workers = min(workers or workers_that_fit(n_runs, accelerators, devices), n_runs)
        threads = threads or threads_for(workers, devices)
        launcher = ProcessLauncher(
            self.server, workers=workers, threads=threads, accelerators=accelerators, devices=devices
        )
        return Pool(self.declared, self.folder, launcher, display, self.data_dir)


def open_study(name: str, url: str, output: Path | None) -> optuna.Study:
    """Opens a study, and checks that there is something to retrain and a place for the results.

    Raises:
        UserError: if the study is not there, has no model or no complete trial, or a folder cannot be written to.
    """
    study = find_study(open_storage(url, create=False), name)
    check_has_model(study)
    candidates.leading(study.get_trials(deepcopy=False), study.user_attrs["fingerprint"]["direction"], 1, name)
    mistakes = check_writable(study_folder(name) / "retrain")
    if output is not None and check_writable(output / "final"):
        mistakes.append(Mistake("--output", str(output), "cannot be written to; name another folder"))
    elif output is not None and is_foreign(output / "final"):
        mistakes.append(Mistake("--output", str(output), "has a final/ of something else in it; name another folder"))
    if mistakes:
        raise UserError(*mistakes)
    return study


def load(study: optuna.Study, url: str, data_dir: str | None, display: Display) -> RetrainContext:
    """Starts the server of worker processes, and checks the study's classes and data.

    Raises:
        UserError: if a class is gone, or the data is not there or not the study's.
    """
    name, declared = study.study_name, declaration_of(study)
    display.metric, display.direction = declared.metric, declared.direction
    display.message("loading PyTorch, checking classes and data ...")
    server = ForkServer(modules_of(study.user_attrs["fingerprint"]))
    facts: Preflight = server.call(preflight, {"name": name, **study.user_attrs["fingerprint"]}, data_dir)
    if facts.mistakes:
        raise UserError(*facts.mistakes)
    before, now = study.user_attrs["data"].get("split_hash"), facts.data.get("split_hash")
    if before != now:
        hint = f"is not the study's data: split {str(before)[:12]} in the study, {str(now)[:12]} in the files"
        raise UserError(Mistake("--data-dir", data_dir, hint))
    sources = {"sources": study.user_attrs.get("noticed", {}).get("sources", {})}
    for change in provenance.changes(sources, facts.noticed):
        display.message(f"changed since the search: {change}")
    known = server.call(candidates.ask_classes, declared)
    return RetrainContext(study, declared, study_folder(name), url, data_dir, server, facts, known)
