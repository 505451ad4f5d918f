"""What a user asks of a search, before and after it is checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightsearch.coordinator.trial_end import OnTrialEnd
from lightsearch.declare.init_from import located
from lightsearch.declare.lightning_cli import embedded
from lightsearch.declare.study_file import StudyFile
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.ray import RayCluster
from lightsearch.machine.cores import threads_for, workers_that_fit
from lightsearch.preflight.checks import Preflight
from lightsearch.storage.urls import sqlite_file


@dataclass(frozen=True)
class SearchRequest:
    """What a user asks of a search, not yet checked."""

    declared: dict[str, Any]
    """The content of the study file."""
    n_trials: int
    """The study's total of finished trials (complete and pruned)."""
    url: str
    """The storage."""
    epochs: int | None = None
    """The study's total of epochs, over all trials; None: as many as the trials need."""
    workers: int | None = None
    """Worker processes at a time; 0: one trial at a time in this process; None: fills the cores, or one per GPU."""
    threads: int | None = None
    """CPU threads per process; None: the value of ``OMP_NUM_THREADS``, else the processes share the cores."""
    pack: int | None = None
    """Trials per process, trained together as one model; 1: one by one; None: packs where they are faster."""
    timeout: float | None = None
    """Seconds after which the search stops."""
    trial_timeout: float | None = None
    """Seconds after which a trial is killed."""
    data_dir: str | None = None
    """Folder of the data files; None: each data class's default."""
    cluster: RayCluster | None = None
    """The Ray cluster that trials run on; None: they run on this machine."""
    artifacts: str | None = None
    """Where trials' files are sent, as an fsspec URL or a path; None: they stay in ``studies/``."""
    widen: bool = False
    """Whether an existing study may get the wider space of the study file."""
    on_trial_end: OnTrialEnd | None = None
    """Called in this process after each trial with the study and the trial; None: nothing is called."""

    def resolved(self) -> SearchRequest:
        """Returns the request with absolute paths wherever another process may have another working folder."""
        changes: dict[str, Any] = {"declared": embedded(located(self.declared, Path()), Path())}
        if self.artifacts is not None and "://" not in self.artifacts:
            changes["artifacts"] = str(Path(self.artifacts).expanduser().absolute())
        if self.cluster is not None and (file := sqlite_file(self.url)) is not None:
            changes["url"] = f"sqlite:///{file}"
        if self.cluster is not None and self.data_dir is None and Path("data").is_dir():
            changes["data_dir"] = str(Path("data").absolute())  # the data classes' default
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True)
class CheckedSearch:
    """A search without mistakes, as far as they can be found before its storage is opened."""

    request: SearchRequest
    study_file: StudyFile
    """The validated declaration."""
    facts: Preflight
    """What was found of the classes, the data and the machine."""
    server: ForkServer | None
    """Where processes come from; None: everything runs in this process."""

    @property
    def local_workers(self) -> int:
        """Worker processes at a time on this machine: as asked for, else as many as fit; 0: trials run here."""
        request, facts = self.request, self.facts
        if request.workers is not None:
            return request.workers
        return workers_that_fit(request.n_trials, facts.accelerators, facts.devices, request.threads)

    @property
    def local_threads(self) -> int:
        """CPU threads of each of them."""
        return threads_for(max(self.local_workers, 1), self.facts.devices, self.request.threads)
