"""The array job of docs/machines.md loses machines: one is preempted, one dies, the last one finishes the study."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from tests import postgresql
from tests.conftest import ROOT, environment
from tests.faults.helpers import SLOW, check_whole, load, wait_for

TRIALS = 7
LOGGER = ("--set", "logger={class_path='pytorch_lightning.loggers.CSVLogger'}")


def script(place: Path) -> str:
    """The job script of docs/machines.md, with the digits study and this folder."""
    page = (ROOT / "docs" / "machines.md").read_text()
    (found,) = re.findall(r"```bash[^\n]*\n(#!/bin/bash\n#SBATCH.*?)```", page, re.DOTALL)
    options = ("--n-trials", str(TRIALS), "--workers", "1", *SLOW, *LOGGER)
    for pattern, here in (
        (r"export LIGHTSEARCH_STORAGE=\S+", ""),
        (r"cd /shared/\S+", f"cd {shlex.quote(str(place))}"),
        (
            r"srun lightsearch run --study mnist.*",
            f"srun {shlex.quote(sys.executable)} -m search.run {shlex.join(options)}",
        ),
    ):
        found, count = re.subn(pattern, here, found)
        assert count == 1, pattern
    return found


@pytest.mark.slow
def test_an_array_job_whose_machines_are_taken_away(place: Path, server: postgresql.Server) -> None:
    url = server.database(f"test-{uuid.uuid4().hex}")
    (place / "job.sh").write_text(script(place))
    commands = {
        "srun": 'export SLURM_NTASKS=3 SLURM_PROCID=$SLURM_ARRAY_TASK_ID SLURM_LOCALID=0\nexec "$@"',
        "scontrol": f"echo $* >>{place}/scontrol.log",
    }
    (place / "bin").mkdir()
    for name, body in commands.items():
        (place / "bin" / name).write_text(f"#!/bin/bash\n{body}\n")
        (place / "bin" / name).chmod(0o755)

    def submit(task: int) -> subprocess.Popen[str]:
        job = {"SLURM_JOB_ID": str(7100 + task), "SLURM_ARRAY_JOB_ID": "7100", "SLURM_ARRAY_TASK_ID": str(task)}
        path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", str(place / "job.sh")],
            env={**environment(), **job, "SLURM_JOB_NAME": "search", "PATH": path, "LIGHTSEARCH_STORAGE": url},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    jobs = [submit(task) for task in range(3)]
    preempted, died, last = jobs
    try:

        def all_in_mid_trial() -> bool:
            running = [trial for trial in load(place, url).trials if trial.state.name == "RUNNING"]
            owners = {trial.user_attrs["owner"]["pid"] for trial in running if 3 <= (trial.last_step or 0) <= 15}
            return len(owners) == 3

        wait_for(all_in_mid_trial)
        coordinator = psutil.Process(preempted.pid).children()[0]
        coordinator.terminate()
        os.killpg(died.pid, signal.SIGKILL)
        output, _ = preempted.communicate(timeout=60)
        assert preempted.returncode == 143, output
        assert (place / "scontrol.log").read_text() == "requeue 7100\n"  # by the job, not by a trial
        output, _ = last.communicate(timeout=300)
        assert last.returncode == 0, output
    finally:
        for job in jobs:
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
            job.communicate()
    assert "Traceback" not in output
    assert "srun" not in output
    check_whole(place, TRIALS, url)
    trials = load(place, url).trials
    assert sorted(trial.user_attrs["attempt"] for trial in trials) == [1] * (TRIALS - 2) + [2] * 2
    folders = [place / "studies" / "digits" / f"trial-{number:04d}" for number in range(TRIALS)]
    assert all(list(folder.rglob("metrics.csv")) for folder in folders)  # whichever task ran the trial
