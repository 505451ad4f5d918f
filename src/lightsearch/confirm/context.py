"""What a retraining works with: a study whose classes and data are unchanged since the search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from lightsearch.confirm import candidates
from lightsearch.confirm.display import RetrainDisplay
from lightsearch.confirm.pool import Pool
from lightsearch.confirm.ranking import Candidate
from lightsearch.confirm.record import is_foreign
from lightsearch.confirm.runs import Purpose, Run, retraining_seed
from lightsearch.declare.callbacks import check_remembered
from lightsearch.declare.init_from import check_init_from
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
from lightsearch.study.stored import check_has_model, declaration_of, find_study, stored_declaration


@dataclass(frozen=True)
class RetrainContext:
    """A study that can be retrained: it exists, and its classes and data are unchanged since the search."""

    study: optuna.Study
    declared: StudyFile
    """The study's declaration, read back from the storage."""
    folder: Path
    """The study's folder, ``studies/<name>``."""
    url: str
    """The storage."""
    data_dir: str | None
    """Folder of the data files; None: each data class's default."""
    server: ForkServer
    """Where worker processes come from."""
    facts: Preflight
    """What the preflight has found: devices, versions, the data."""
    class_info: candidates.ClassInfo
    """What the model's and the data's classes offer: default values, ``join_val``."""

    def run(self, purpose: Purpose, candidate: Candidate, index: int, **options: Any) -> Run:
        """Makes a run of a configuration on a fresh seed.

        Args:
            purpose: What the run is for.
            candidate: The configuration.
            index: The index of the seed among the configuration's seeds, from 0.
            options: Further fields of ``Run``. By default it trains as many epochs as its trial if the scheduler
                decided where that ended, else until early stopping or ``max_epochs``.
        """
        options = {**options, "epochs": options.get("epochs") or candidate.trained}
        seed = retraining_seed(self.declared.seed, purpose, candidate.trial, index)
        return Run(
            study_uid=str(self.study.user_attrs.get("uid")),
            purpose=purpose,
            trial=candidate.trial,
            index=index,
            seed=seed,
            params=candidate.params,
            earlier=candidate.earlier,
            **options,
        )

    def pool(self, n_runs: int, workers: int | None, display: RetrainDisplay, *, threads: int | None = None) -> Pool:
        """Makes a pool of worker processes.

        Args:
            n_runs: The number of runs to train.
            workers: Runs at a time; None: as many as fill the cores, or one per GPU.
            display: Where progress is shown.
            threads: CPU threads of each process; None: the processes share the cores.
        """
        accelerators, devices = self.facts.accelerators, self.facts.devices
        workers = min(workers or workers_that_fit(n_runs, accelerators, devices), n_runs)
        threads = threads or threads_for(workers, devices)
        launcher = ProcessLauncher(
            self.server, workers=workers, threads=threads, accelerators=accelerators, devices=devices
        )
        return Pool(self.declared, self.folder, launcher, display, self.data_dir)


def open_study(name: str, url: str, output: Path | None) -> optuna.Study:
    """Opens a study, and checks that it can be retrained and that the results can be written.

    Args:
        name: The study's name.
        url: The storage.
        output: The folder of the results; None: the results are only returned.

    Raises:
        UserError: if the study does not exist, has no model or no complete trial, has callbacks that were objects, or a
            folder cannot be written to.
    """
    study = find_study(open_storage(url, create=False), name)
    check_has_model(study)
    candidates.leading(study.get_trials(deepcopy=False), study.user_attrs["fingerprint"]["direction"], 1, name)
    mistakes = check_remembered(declaration_of(study).callbacks)
    mistakes += check_writable(study_folder(name) / "retrain")
    if output is not None and check_writable(output / "final"):
        mistakes.append(Mistake("--output", str(output), "cannot be written to; name another folder"))
    elif output is not None and is_foreign(output / "final"):
        mistakes.append(Mistake("--output", str(output), "has a final/ of something else in it; name another folder"))
    if mistakes:
        raise UserError(*mistakes)
    return study


def load(study: optuna.Study, url: str, data_dir: str | None, display: RetrainDisplay) -> RetrainContext:
    """Starts the server of worker processes, and checks the study's classes and data.

    Args:
        study: A study from ``open_study``.
        url: The storage.
        data_dir: Folder of the data files; None: each data class's default.
        display: Where progress is shown.

    Raises:
        UserError: if a class or the data is missing, or the data differs from the study's.
    """
    name, declared = study.study_name, declaration_of(study)
    display.metric, display.direction = declared.metric, declared.direction
    display.message("loading PyTorch, checking classes and data ...")
    stored = stored_declaration(study)
    server = ForkServer(modules_of(stored))
    facts: Preflight = server.call(preflight, stored, data_dir)
    if facts.mistakes or (mistakes := check_init_from(stored)):
        raise UserError(*(facts.mistakes or mistakes))
    before, now = study.user_attrs["data"].get("split_hash"), facts.data.get("split_hash")
    if before != now:
        hint = f"is not the study's data: split {str(before)[:12]} in the study, {str(now)[:12]} in the files"
        raise UserError(Mistake("--data-dir", data_dir, hint))
    sources = {"sources": study.user_attrs.get("noticed", {}).get("sources", {})}
    for change in provenance.changes(sources, facts.noticed):
        display.message(f"changed since the search: {change}")
    class_info = server.call(candidates.ask_classes, declared)
    return RetrainContext(study, declared, study_folder(name), url, data_dir, server, facts, class_info)
