"""Notes of trials, as optuna-dashboard reads them."""

from __future__ import annotations

from types import SimpleNamespace

import optuna
import optuna_dashboard

from lightsearch.compat import dashboard_notes
from lightsearch.compat.dashboard_notes import save_notes
from lightsearch.report.notes import leave_notes
from tests.compat.contracts import relies_on
from tests.report.studies import fill


def read(study: optuna.Study, number: int) -> str:
    trial = study.trials[number]
    found: str = optuna_dashboard.get_note(
        SimpleNamespace(storage=study._storage, study=study, _trial_id=trial._trial_id)
    )
    return found


def write(study: optuna.Study, number: int, body: str) -> None:
    trial = study.trials[number]
    optuna_dashboard.save_note(SimpleNamespace(storage=study._storage, study=study, _trial_id=trial._trial_id), body)


def test_the_dashboard_reads_what_is_saved_also_long_notes() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: 0.0, n_trials=2)
    long = "".join(f"line {line}\n" for line in range(1000))
    with relies_on("optuna-dashboard", dashboard_notes):
        assert save_notes(study, {study.trials[0]._trial_id: long, study.trials[1]._trial_id: "short"}) == 2
        assert [read(study, 0), read(study, 1)] == [long, "short"]
        write(study, 1, "mine")
        assert read(study, 1) == "mine"


def test_every_trial_that_has_ended_has_a_note_and_a_persons_note_stays() -> None:
    study = optuna.create_study(study_name="noted", direction="maximize")
    fill(study, 6, kinds=("complete", "pruned", "crashed"))
    study.enqueue_trial({})
    write(study, 3, "my own words")
    assert leave_notes(study) == 5
    assert leave_notes(study) == 0
    assert read(study, 0).startswith("It was trained to its end.\n\nBest val_acc: 0.9")
    assert "at epoch 8, after 8 epochs in all." in read(study, 0)
    assert "`reports/noted/report.html#trial-0`" in read(study, 0)
    assert "after 3 epochs in all" in read(study, 1)
    assert read(study, 2).startswith("It failed")
    assert read(study, 3) == "my own words"
    assert read(study, 6) == ""
