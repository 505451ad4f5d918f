"""The job of a trial: what a launcher runs."""

from __future__ import annotations

from lightsearch.atomic_files import make_folder
from lightsearch.launchers import Job
from lightsearch.paths import trial_folder
from lightsearch.study.assignment import TrialAssignment
from lightsearch.study.trial_queue import TrialQueue
from lightsearch.training.any_trial import run_any_trial


def trial_job(
    queue: TrialQueue, assigned: TrialAssignment, data_dir: str | None, *, own_process: bool, isolated: bool
) -> Job:
    """Makes the job of an assigned trial, and its folder.

    Args:
        queue: The study.
        assigned: The trial.
        data_dir: Folder of the data files.
        own_process: The job must not share a process.
        isolated: The job trains in no pack.
    """
    folder = trial_folder(queue.folder, assigned.number)
    make_folder(folder)
    data = queue.study_file.space.split(assigned.params)["data"]
    return Job(
        number=assigned.number,
        folder=folder,
        function=run_any_trial,
        arguments={
            "study_file": queue.study_file,
            "storage_url": queue.url,
            "trial_id": assigned.trial_id,
            "folder": folder,
            "data_dir": data_dir,
            "attempt": assigned.attempt,
            "history": queue.history(),
            **({} if assigned.until is None else {"until": assigned.until}),
        },
        batch_key=repr(sorted(data.items())),  # trials with equal data train on the same batches
        own_process=own_process,
        spent=assigned.spent,
        isolated=isolated,
        start=assigned.start,
    )
