"""A search from its declaration to its results: checks, opens, runs."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightsearch.coordinator.coordinator import Coordinator
from lightsearch.coordinator.packing import choose_packing
from lightsearch.coordinator.results import summarise
from lightsearch.coordinator.search_result import SearchResult
from lightsearch.declare.reading import modules_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.display.display import Display
from lightsearch.errors import Mistake, UserError, as_unavailable
from lightsearch.launchers import Launcher
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.launchers.inline import InlineLauncher
from lightsearch.launchers.mirrored import MirroredLauncher
from lightsearch.launchers.packs import PackLauncher
from lightsearch.launchers.processes import ProcessLauncher
from lightsearch.launchers.ray import RayCluster
from lightsearch.launchers.ray.check import check_cluster
from lightsearch.launchers.ray.launcher import RayLauncher
from lightsearch.launchers.ray.messages import StartWorkers, WorkerSetup
from lightsearch.machine.cores import check_threads, threads_for, workers_that_fit
from lightsearch.packs.packing import ONE_BY_ONE, Packing
from lightsearch.paths import check_folder, study_folder
from lightsearch.preflight.checks import Preflight, preflight
from lightsearch.preflight.dry_run import dry_run
from lightsearch.storage.artifacts import Artifacts, check_artifacts, local_folder
from lightsearch.storage.locks import check_server
from lightsearch.storage.opening import open_storage
from lightsearch.storage.study_artifacts import artifacts_of, artifacts_url
from lightsearch.storage.urls import check_url, sqlite_file
from lightsearch.study import origin, sampler_checks
from lightsearch.study.trial_queue import TrialQueue

if TYPE_CHECKING:
    pass

FACTS = {"data", "device", "versions", "commit", "noticed"}
"""What is kept of the preflight with the study."""


def search(
    declared: dict[str, Any],
    *,
    n_trials: int,
    url: str,
    display: Display,
    workers: int | None = None,
    threads: int | None = None,
    pack: int | None = None,
    timeout: float | None = None,
    trial_timeout: float | None = None,
    data_dir: str | None = None,
    cluster: RayCluster | None = None,
    artifacts: str | None = None,
) -> SearchResult:
    """Searches until the study has ``n_trials`` finished trials.

    Args:
        declared: The study file's content.
        n_trials: The study's total of finished trials (complete and pruned).
        url: The storage.
        display: Where progress is shown.
        workers: Processes at a time; 0: one trial, in this process; None: fills the cores, or one a GPU.
        threads: CPU threads of a process; None: what ``OMP_NUM_THREADS`` says, else the processes share the cores.
        pack: Trials a process, trained together; 1: each alone; None: as many as pay, where the model allows it.
        timeout: Seconds after which the search stops.
        trial_timeout: Seconds after which a trial is killed.
        data_dir: Folder of the data files.
        cluster: The Ray cluster that trials run on; None: this machine.
        artifacts: Where trials' files are sent (an fsspec URL), for machines that share no folder.

    Raises:
        UserError: everything that is wrong with the declaration, the data, the storage, before any of them is touched.
    """
    study_file, mistakes = validate(declared)
    mistakes += _check_numbers(n_trials, workers, pack, timeout, trial_timeout) + check_threads(threads)
    display.message("loading PyTorch, checking classes and data ...")
    server = ForkServer(modules_of(declared)) if workers != 0 else None
    mistakes += sampler_checks.check(declared)  # the fork server imports meanwhile
    no_url = check_url(url)
    mistakes += no_url or check_server(url)
    if study_file is not None:
        mistakes += check_folder(study_folder(study_file.name), None if no_url else sqlite_file(url))
    if artifacts is not None and "://" not in artifacts:
        artifacts = str(Path(artifacts).expanduser().absolute())
    mistakes += check_artifacts(artifacts) if artifacts is not None else []
    if cluster is not None:
        if (file := sqlite_file(url)) is not None:
            url = f"sqlite:///{file}"  # workers may be in other folders
        mistakes += check_cluster(cluster)
        if workers == 0:
            mistakes.append(Mistake("--workers", 0, "means this process, which is on no cluster; leave --on out"))
        if threads is not None:
            hint = "a trial on Ray has a thread for each of its CPUs; write --cpus-per-trial"
            mistakes.append(Mistake("--threads", threads, hint))
        if data_dir is None and Path("data").is_dir():  # the data classes' default, which nodes may not see
            data_dir = str(Path("data").absolute())
    known: Preflight = (server.call if server else _call)(preflight, declared, data_dir)
    if workers == 0 and known.devices > 1:
        hint = f"a trial on {known.devices} devices is as many processes; write 1, or --set trainer.devices=1"
        mistakes.append(Mistake("--workers", workers, hint))
    if workers == 0 and trial_timeout is not None:
        hint = "with --workers 0 a trial runs in this process, which cannot be killed for it; write --workers 1"
        mistakes.append(Mistake("--trial-timeout", trial_timeout, hint))
    if study_file is None or mistakes or known.mistakes:
        raise UserError(*mistakes, *known.mistakes)
    if cluster is None:  # else each node does it, for its first trial
        _prepare_data(server, study_file, data_dir)
    tried = dry_run(server, study_file, data_dir, trial_timeout)
    if tried.mistakes:
        raise UserError(*tried.mistakes)
    for note in tried.notes:
        display.message(note)

    with contextlib.ExitStack() as stack:
        on_ray = remembered = None
        if server is not None and cluster is not None:
            remembered = artifacts or _remembered(url, study_file.name)
            on_ray = _connect(server, cluster, study_file, url, data_dir, remembered, display)
            stack.callback(on_ray.close)
            if wrong := on_ray.found.mistakes or _no_room(on_ray, cluster, workers, known.devices):
                raise UserError(*wrong)
        queue = _open(study_file, url, known, display)
        sent = artifacts_of(queue.study, artifacts)
        at_once = workers
        if at_once is None:
            here = workers_that_fit(n_trials, known.accelerators, known.devices, threads)
            at_once = here if on_ray is None else min(on_ray.found.fitting, n_trials)
        threads = threads_for(max(at_once, 1), known.devices, threads)
        if on_ray is not None and cluster is not None:
            threads = max(1, int(cluster.cpus_per_trial))
        packing = ONE_BY_ONE
        if not queue.is_done(n_trials):
            packing = choose_packing(
                server,
                study_file,
                asked=pack,
                workers=at_once,
                threads=threads,
                devices=known.devices,
                n_trials=n_trials,
                data_dir=data_dir,
                say=display.message,
            )
        if on_ray is not None:
            setup = WorkerSetup(
                path=sys.path,
                folder=str(Path.cwd()),
                modules=modules_of(declared),
                packing=packing,
                devices=known.devices,
                artifacts=sent.url if sent is not None else None,
                shared=remembered is None,
            )
            on_ray.begin(StartWorkers(setup, workers, workers or -(-n_trials // packing.size)), sent)
        launcher = on_ray or _launcher(server, at_once, threads, packing, known, sent)
        coordinator = Coordinator(
            queue,
            launcher,
            display,
            n_trials=n_trials,
            timeout=timeout,
            trial_timeout=trial_timeout,
            data_dir=data_dir,
            artifacts=sent,
        )
        ending = coordinator.run()
    trials, attrs = queue.study.get_trials(deepcopy=False), queue.study.user_attrs
    return SearchResult(
        ending=ending,
        results=summarise(trials, attrs, study_file.name),
        study=queue.study,
        folder=queue.folder,
        failure=coordinator.failure,
        unavailable=coordinator.unavailable,
        signal=coordinator.loop.stop.number,
        study_file=study_file,
        data_dir=data_dir,
    )


def _check_numbers(
    n_trials: object, workers: object, pack: object, timeout: object, trial_timeout: object
) -> list[Mistake]:
    """What is wrong with the numbers that a search from Python is given; those of a command have been read as such."""
    mistakes = []
    for name, value, least in (("n_trials", n_trials, 1), ("workers", workers, 0), ("pack", pack, 1)):
        if (value is not None or name == "n_trials") and not (type(value) is int and value >= least):
            mistakes.append(Mistake(name, value, f"write a whole number from {least}"))
    for name, value in (("timeout", timeout), ("trial_timeout", trial_timeout)):
        if value is not None and not (type(value) in (int, float) and value > 0):  # type: ignore[operator]
            mistakes.append(Mistake(name, value, "write seconds, a number above 0"))
    return mistakes


def _prepare_data(server: ForkServer | None, study_file: StudyFile, data_dir: str | None) -> None:
    """Has the data prepare itself before anything is stored, and before a trial's time runs."""
    try:
        (server.call if server else _call)(_prepare, study_file, data_dir)
    except Exception as error:  # whatever else it is, it will be said of what meets with it next
        if (reason := as_unavailable(error)) is not None:
            raise reason from error


def _prepare(study_file: StudyFile, data_dir: str | None) -> None:
    """``prepare_data``, imported where it runs."""
    from lightsearch.training.components import prepare_data

    prepare_data(study_file, data_dir)


def _open(study_file: StudyFile, url: str, known: Preflight, display: Display) -> TrialQueue:
    """Opens the study, or creates it, and says what is not as it was."""
    queue = TrialQueue(study_file, open_storage(url), url, study_folder(study_file.name))
    for change in queue.open(known.model_dump(include=FACTS), known.baseline):
        display.message(f"changed since the last run: {change}")
    if (line := origin.note(queue.study)) is not None:
        display.message(line)
    if study_file.multi_objective:
        display.message("pruning is off: Optuna prunes by one objective, and this study has several")
    return queue


def _remembered(url: str, name: str) -> str | None:
    """Where the study's artifacts are, if there is such a study; nothing is created."""
    file = sqlite_file(url)
    return None if file is not None and not file.exists() else artifacts_url(open_storage(url), name)


def _connect(
    server: ForkServer,
    cluster: RayCluster,
    study_file: StudyFile,
    url: str,
    data_dir: str | None,
    artifacts: str | None,
    display: Display,
) -> RayLauncher:
    """Connects to the cluster, and looks at its nodes."""
    display.message("connecting to the Ray cluster ...")
    return RayLauncher(
        server,
        cluster,
        folder=study_folder(study_file.name) if artifacts is None else local_folder(artifacts),
        shared=artifacts is None,
        on_this_machine=sqlite_file(url) is not None,
        data_dir=data_dir,
        display=display,
    )


def _no_room(on_ray: RayLauncher, cluster: RayCluster, workers: int | None, devices: int) -> list[Mistake]:
    """That no node is large enough; with a number of workers it may be that larger ones are to come."""
    given = cluster.gpus_per_trial or cluster.cpus_per_trial
    if given < devices > 1:
        option = "--gpus-per-trial" if cluster.gpus_per_trial else "--cpus-per-trial"
        return [Mistake(option, given, f"a trial trains on {devices} devices; write {devices}")]
    if on_ray.found.fitting or workers is not None:
        return []
    asked = " and ".join(f"{count:g} {name}" for name, count in cluster.resources.items())
    hint = f"the cluster has no node with {asked}, which a trial takes; ask for less, or wait for --workers N"
    return [Mistake("--on", "ray", hint)]


def _launcher(
    server: ForkServer | None,
    workers: int,
    threads: int,
    packing: Packing,
    known: Preflight,
    artifacts: Artifacts | None,
) -> Launcher:
    """What runs trials on this machine."""
    launcher: Launcher = InlineLauncher(threads)
    if server is not None:
        accelerators, devices = known.accelerators, known.devices
        if packing.size > 1:
            launcher = PackLauncher(server, packing, workers=workers, threads=threads, accelerators=accelerators)
        else:
            launcher = ProcessLauncher(
                server, workers=workers, threads=threads, accelerators=accelerators, devices=devices
            )
    return launcher if artifacts is None else MirroredLauncher(launcher, artifacts)


def _call(function: Any, *args: Any) -> Any:
    return function(*args)
