"""Packs under faults: a process that dies takes several trials along, and none of them is lost."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.conftest import command
from tests.faults.helpers import Started, check_whole, epochs_reported, load, wait_for, workers

PACK = ("--n-trials", 6, "--pack", 3)


def test_a_killed_pack_and_an_interrupted_one_go_on(place: Path, started: Started) -> None:
    process = started(*PACK)
    wait_for(lambda: epochs_reported(place, 8))
    running = workers(process)
    assert len(running) == 2  # six trials
    running[0].kill()
    wait_for(lambda: epochs_reported(place, 14))
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert output.count("going on from its last checkpoint, attempt 2") == 3
    assert {trial.state.name for trial in load(place).trials} == {"WAITING"}

    process = started(*PACK)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    check_whole(place, 6)
    for file in place.glob("studies/digits/trial-*/epochs.csv"):
        epochs = [int(line.split(",")[0]) for line in file.read_text().splitlines()[1:]]
        assert epochs == list(range(30)), "no epoch of a checkpoint is trained twice"


def test_a_trial_that_kills_its_process_does_not_take_the_others_along(place: Path) -> None:
    (place / "odd.py").write_text(
        "import os, signal\nfrom studies.examples.tabular import Regressor, Table\n\n"
        "class Dies(Regressor):\n"
        "    def on_validation_end(self):\n"
        "        if 'trial-0001' in str(self.trainer.default_root_dir):\n"
        "            os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    (place / "odd.toml").write_text(
        'name = "odd"\nmetric = "val_mse"\ndirection = "minimize"\n'
        '[data]\nclass_path = "odd.Table"\n[model]\nclass_path = "odd.Dies"\n'
        "[space.model]\nlearning_rate = { float = [1e-4, 1e-2], log = true }\n"
        '[trainer]\nmax_epochs = 3\npatience = 0\n[pruner]\nname = "NopPruner"\n'
    )
    done = command("run", "--study", "odd.toml", "--n-trials", 3, "--pack", 3, "--workers", 1, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "packs of 3" in done.stdout
    outcomes = [json.loads(file.read_text()) for file in sorted(place.glob("studies/odd/trial-*/result.json"))]
    assert {outcome["kind"] for outcome in outcomes} == {"complete"}
    import optuna

    study = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="odd")
    kinds = {trial.number: trial.user_attrs["kind"] for trial in study.trials}
    assert kinds.pop(1) == "crashed"
    assert set(kinds.values()) == {"complete"}
    assert len(kinds) == 3
