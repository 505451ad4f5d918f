"""What people see of trials that pause: in a real search that stops half-way, and after its end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.trial import FrozenTrial

import lightsearch
from lightsearch.report.diagnostics.diagnose import diagnose
from lightsearch.study.scheduling import decisions_of
from lightsearch.study.status import Status, status_of
from tests.cli.stored import load
from tests.conftest import command, enter

QUICK = ("--workers", 0, "--set", "trainer.max_epochs=6", "--set", "trainer.patience=0", "--set", "seed=1")


def said(name: str, *arguments: object, cwd: Path) -> str:
    done = command(name, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def trials_of(place: Path, status: Status) -> list[FrozenTrial]:
    return [trial for trial in load(place).trials if status_of(trial) is status]


def storage(place: Path) -> str:
    return f"sqlite:///{place}/studies/studies.db"


def results(place: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / "studies" / "digits" / "results.json").read_text())
    return content


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of five trials that has stopped when the best of them was good enough; what it printed is in a file."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("paused"), patch)
    line = said("run", "--n-trials", 5, *QUICK, "--set", "stop.value=0.975", cwd=place)
    (place / "said.txt").write_text(line)
    return place


def test_a_search_that_stops_says_how_many_are_paused(stopped: Path) -> None:
    text, paused = (stopped / "said.txt").read_text(), trials_of(stopped, Status.PAUSED)
    assert len(paused) >= 2
    assert f"1 complete, {len(paused)} paused; " in text
    epochs = sum(len(trial.intermediate_values) for trial in paused)
    assert f"{epochs} epochs trained by trials that are paused" in text
    assert re.search(r"\[1/5\] trial \d complete .* s so far, about .* to go, \d begun", text)
    assert results(stopped)["counts"]["status"] == {"complete": 1, "paused": len(paused)}
    assert results(stopped)["epochs"]["trained_by_paused"] == epochs


def test_status_counts_them_and_names_the_best(stopped: Path) -> None:
    text, paused = said("status", "--study", "digits", cwd=stopped), trials_of(stopped, Status.PAUSED)
    best = max(paused, key=lambda trial: trial.user_attrs["result"]["value"])
    assert f"by state  1 complete, {len(paused)} paused" in text
    assert re.search(rf"paused    {len(paused)} trials until .*; the best: trial {best.number} 0\.", text)
    assert "waiting" not in text


def test_no_command_takes_a_paused_trial_for_one_that_waits(stopped: Path) -> None:
    number = trials_of(stopped, Status.PAUSED)[0].number
    refused = command("retrain", "--trial", number, cwd=stopped)
    assert (refused.returncode, refused.stderr.strip()) == (
        2,
        f"--trial = {number}: is paused; name a complete or pruned trial",
    )
    loaded, paused = lightsearch.load("digits", storage=storage(stopped)), len(trials_of(stopped, Status.PAUSED))
    assert list(loaded.trials()["kind"]).count("paused") == paused
    assert f"1 complete, {paused} paused" in loaded._repr_html_()
    assert not [finding for finding in diagnose(load(stopped)) if "paused" in finding.text]


def test_the_report_shows_pauses_and_decisions(stopped: Path) -> None:
    said("report", cwd=stopped)
    folder = stopped / "reports" / "digits"
    page, summary = (folder / "report.html").read_text(), json.loads((folder / "summary.json").read_text())
    study, frame = load(stopped), pd.read_csv(folder / "trials.csv")
    assert summary["counts"] == {"complete": 1, "paused": len(study.trials) - 1}
    assert "Decisions of the scheduler" in page
    for trial, text in zip(study.trials, frame["decisions"], strict=True):
        after, until, reason = decisions_of(trial)[-1]
        assert text.endswith(f"{after}-{until} {reason}")
        assert f"{after} to {until}: " in page
        assert len(text.split("; ")) == len(trial.user_attrs["periods"]) + (trial.state.name == "COMPLETE")
    assert list(frame["until"]) == [trial.user_attrs["until"] for trial in study.trials]


def test_paused_trials_end_one_by_one_or_with_the_search(stopped: Path) -> None:
    number = trials_of(stopped, Status.PAUSED)[0].number
    assert f"trial {number} pruned 0." in said("stop", "--trial", number, cwd=stopped)
    assert load(stopped).trials[number].user_attrs["result"]["stop_reason"] == "stopped_by_user"
    paused = len(trials_of(stopped, Status.PAUSED))
    # One complete, one pruned, those that are paused, and the new one: nothing waits before it.
    text = said("enqueue", "hidden_size=33", cwd=stopped)
    assert f"--n-trials {3 + paused}" in text
    assert "that wait" not in text

    text = said("run", "--n-trials", 3 + paused, *QUICK, "--set", "stop={}", cwd=stopped)
    left = trials_of(stopped, Status.NOT_RESUMED)
    numbers = ", ".join(str(trial.number) for trial in left)
    were = "trial was" if len(left) == 1 else "trials were"
    assert left
    assert text.count("not resumed") == 2
    assert f"{len(left)} paused {were} not resumed: {numbers}" in text
    assert f", 1 pruned, {len(left)} not resumed; " in text
    saved = sum(6 - len(trial.intermediate_values) for trial in left)
    assert " by pausing, " in text
    assert results(stopped)["epochs"]["saved_by_pausing"] == saved > 0
    assert not trials_of(stopped, Status.PAUSED)
    assert "</span>pruned or not resumed" in lightsearch.load("digits", storage=storage(stopped))._repr_html_()
    assert not [finding for finding in diagnose(load(stopped)) if finding.kind == "pruner"]
    assert all(trial.params["hidden_size"] == 33 for trial in load(stopped).trials[5:])
