"""Packs under faults: several trials lose their process at once, and none of them is lost."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.conftest import command
from tests.faults.helpers import Started, check_whole, epochs_reported, load, wait_for, workers

PACK = ("--n-trials", 6, "--pack", 3)


@pytest.mark.slow
def test_a_killed_pack_and_an_interrupted_one_go_on(place: Path, started: Started) -> None:
    process = started(*PACK)
    wait_for(lambda: epochs_reported(place, 8))
    running = workers(process)
    assert len(running) == 2  # six trials
    running[0].kill()
    wait_for(lambda: [trial.user_attrs["attempt"] for trial in load(place).trials].count(2) == 3)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    ["os.kill(os.getpid(), signal.SIGSEGV)", "os.closerange(3, 256)"],
)
def test_a_trial_that_kills_its_process_does_not_take_the_others_along(place: Path, how: str) -> None:
    (place / "odd.py").write_text(
        "import os, signal\nfrom studies.examples.tabular import Regressor, Table\n\n"
        "class Dies(Regressor):\n"
        "    def on_validation_end(self):\n"
        "        if 'trial-0001' in str(self.trainer.default_root_dir):\n"
        f"            {how}\n"
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
    import optuna

    study = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="odd")
    kinds = {trial.number: trial.user_attrs["kind"] for trial in study.trials}
    assert list(kinds.values()).count("complete") == 3
    if "SIGSEGV" in how:  # otherwise the trial goes on elsewhere, and ends as its own code decides
        assert kinds[1] == "crashed"
    del kinds[1]
    assert set(kinds.values()) == {"complete"}


@pytest.mark.slow
def test_the_members_of_a_pack_that_fails_go_on_by_themselves(place: Path) -> None:
    (place / "late.py").write_text(
        "from studies.examples.tabular import Regressor, Table\n\n"
        "class Late(Regressor):\n"
        "    def on_train_epoch_start(self):\n"
        "        self._late = self.current_epoch >= 6\n\n"
        "    def training_step(self, batch):\n"
        "        loss = super().training_step(batch)\n"
        "        if self._late and loss.item() < 0:\n"  # what vmap does not let a step do
        "            raise AssertionError\n"
        "        return loss\n"
    )
    (place / "late.toml").write_text(
        'name = "late"\nmetric = "val_mse"\ndirection = "minimize"\n'
        '[data]\nclass_path = "late.Table"\n[model]\nclass_path = "late.Late"\n'
        "[space.model]\nlearning_rate = { float = [1e-4, 1e-2], log = true }\n"
        '[trainer]\nmax_epochs = 8\npatience = 0\n[pruner]\nname = "NopPruner"\n'
    )
    done = command("run", "--study", "late.toml", "--n-trials", 3, "--pack", 3, "--workers", 1, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "packs of 3" in done.stdout
    assert done.stdout.count("its pack failed (RuntimeError") == 3
    import optuna

    study = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="late")
    assert [trial.user_attrs["kind"] for trial in study.trials] == ["complete"] * 3
    outcomes = [json.loads(file.read_text()) for file in sorted(place.glob("studies/late/trial-*/result.json"))]
    assert [(outcome["epochs"], outcome["attempt"]) for outcome in outcomes] == [(8, 2)] * 3
    for file in place.glob("studies/late/trial-*/epochs.csv"):
        epochs = [int(line.split(",")[0]) for line in file.read_text().splitlines()[1:]]
        assert epochs == list(range(8)), "they go on from their checkpoints"
