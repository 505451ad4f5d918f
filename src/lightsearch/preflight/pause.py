"""Whether the trials of a study can pause: see ``rehearsal``."""

from __future__ import annotations

from pathlib import Path

from lightsearch.declare.scheduling import scheduler_of
from lightsearch.declare.study_file import StudyFile
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.outcome import Interrupted
from lightsearch.preflight.blame import message
from lightsearch.preflight.configurations import two_configurations
from lightsearch.preflight.dry_run import DryRun
from lightsearch.preflight.isolation import ChildDied, run_isolated

UNKNOWN = "a pause could not be rehearsed"


def why_no_pause(
    server: ForkServer | None, study_file: StudyFile, data_dir: str | None, limit: float | None, tried: DryRun
) -> str | None:
    """Rehearses a pause with the configuration of the dry run. Nothing is kept.

    Args:
        server: Starts the child process of the rehearsal; None: it runs in this process.
        study_file: The declared study.
        data_dir: Folder of the data files.
        limit: Seconds after which the child is ended, as a trial would be; None: no limit.
        tried: What the dry run found.

    Returns:
        Why trials do not pause; None: they can, or are not to.
    """
    if study_file.objective is not None or scheduler_of(study_file).name == "none":
        return None
    if not tried.trains:
        return UNKNOWN
    try:
        return run_isolated(server, _rehearse, study_file, data_dir, limit)
    except (TimeoutError, ChildDied):
        return UNKNOWN


def _rehearse(study_file: StudyFile, data_dir: str | None, folder: Path) -> str | None:
    """What a pause would change; None: nothing."""
    import optuna

    from lightsearch.preflight.rehearsal import lost_in_pause

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    params, _ = two_configurations(study_file)
    try:
        return lost_in_pause(study_file, params, data_dir, folder / "pause")
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:  # the user's own code may also raise SystemExit
        return f"{UNKNOWN}: {message(error)}"
