"""Contracts with Optuna: its private names exist, and do what lightsearch relies on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import IntegrityError

from lightsearch.compat import optuna_rows, optuna_trials
from lightsearch.compat import optuna_tables as tables
from lightsearch.compat.optuna_rows import finished_and_reported
from lightsearch.compat.optuna_trials import (
    add_trial,
    call_back,
    database_of,
    enqueued_params_of,
    frozen_of,
    intermediate_values_of,
    is_stop_request,
    set_cached_trials,
    study_id_of,
    trial_id_of,
)
from tests.compat.contracts import relies_on


@pytest.fixture
def storage(tmp_path: Path) -> tables.DatabaseStorage:
    return tables.DatabaseStorage(f"sqlite:///{tmp_path}/s.db")


@pytest.fixture
def study(storage: tables.DatabaseStorage) -> optuna.Study:
    return optuna.create_study(storage=storage, study_name="s")


@relies_on("optuna", optuna_trials)
def test_ids_are_those_of_the_storage(study: optuna.Study, storage: tables.DatabaseStorage) -> None:
    asked = study.ask()
    (summary,) = optuna.get_all_study_summaries(storage)
    assert study_id_of(study) == study_id_of(summary) == storage.get_study_id_from_name("s")
    assert trial_id_of(asked) == trial_id_of(study.trials[0])
    assert storage.get_trial(trial_id_of(asked)).number == asked.number


@relies_on("optuna", optuna_trials)
def test_an_added_trial_is_in_the_study_and_its_id_is_known(study: optuna.Study) -> None:
    study.ask()
    trial_id = add_trial(study, create_trial(state=TrialState.RUNNING, user_attrs={"attempt": 1}))
    added = study.trials[1]
    assert (trial_id_of(added), added.state, added.user_attrs) == (trial_id, TrialState.RUNNING, {"attempt": 1})


@relies_on("optuna", optuna_trials)
def test_a_pruner_sees_what_a_running_trial_has_set(study: optuna.Study) -> None:
    study.ask()
    trial = study.ask()
    trial.set_user_attr("epoch_values", {"0": [0.5, 9.0]})
    seen = frozen_of(trial)
    assert (seen.number, seen.state, seen.user_attrs) == (1, TrialState.RUNNING, {"epoch_values": {"0": [0.5, 9.0]}})


@relies_on("optuna", optuna_trials)
@pytest.mark.parametrize("sampler", [optuna.samplers.TPESampler, optuna.samplers.NSGAIISampler])
def test_samplers_of_several_objectives_take_pruned_trials_without_values(sampler: Any) -> None:
    arguments = {"n_startup_trials": 4} if sampler is optuna.samplers.TPESampler else {"population_size": 4}
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler(seed=0, **arguments))
    for number in range(30):
        trial = study.ask({"x": IntDistribution(0, 9)})
        pruned = number % 5 != 0  # more than the share that a sampler learns from as good ones
        study.tell(trial, None if pruned else [trial.params["x"], number], TrialState.PRUNED if pruned else None)
    assert [trial.values is None for trial in study.trials].count(True) == 24


@relies_on("optuna", optuna_trials)
def test_the_cache_around_a_database_is_taken_off(study: optuna.Study, storage: tables.DatabaseStorage) -> None:
    trial = study.ask()
    assert trial.storage is not storage
    assert database_of(trial.storage) is storage
    assert database_of(storage) is storage


@relies_on("optuna", optuna_trials)
def test_a_sampler_sees_the_cached_trials_until_one_is_told(
    study: optuna.Study, storage: tables.DatabaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.add_trial(create_trial(value=1.0, params={"x": 1}, distributions={"x": IntDistribution(0, 9)}))
    seen: list[int] = []

    class Sampler(optuna.samplers.RandomSampler):
        def sample_independent(self, study: optuna.Study, *arguments: object) -> object:
            seen.append(len(study._get_trials(deepcopy=False, use_cache=True)))  # as Optuna's samplers do
            return super().sample_independent(study, *arguments)  # type: ignore[arg-type]

    study.sampler = Sampler()
    trial = study.ask()
    set_cached_trials(study, [*study.trials[:1]] * 3)
    reads: list[object] = []
    read = storage.read_trials
    monkeypatch.setattr(storage, "read_trials", lambda *arguments: reads.append(arguments) or read(*arguments))
    trial.suggest_int("x", 0, 9)
    assert (seen, reads) == ([3], [])
    study.tell(trial, 1.0)
    assert [trial.number for trial in study._get_trials(deepcopy=False, use_cache=True)] == [0, 1]
    assert reads


@relies_on("optuna", optuna_trials)
def test_reports_of_a_trial_are_its_own_dict(study: optuna.Study) -> None:
    trial = study.ask()
    trial.report(0.5, 3)
    reported = intermediate_values_of(trial)
    assert reported == {3: 0.5}
    del reported[3]
    trial.report(0.25, 3)  # which is not a second report now
    assert intermediate_values_of(trial) == {3: 0.25}


@relies_on("optuna", optuna_trials)
def test_enqueued_params_are_found(study: optuna.Study) -> None:
    study.enqueue_trial({"x": 2})
    assert enqueued_params_of(study.trials[0]) == {"x": 2}
    assert enqueued_params_of(create_trial(value=0.0)) == {}


@relies_on("optuna", optuna_trials)
def test_a_sampler_that_is_through_asks_optuna_to_stop() -> None:
    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"x": [1]}))
    trial = study.ask()
    trial.suggest_int("x", 0, 9)
    with pytest.raises(RuntimeError) as stopped:
        study.tell(trial, 0.0)
    assert is_stop_request(stopped.value)
    assert not is_stop_request(RuntimeError("no second number"))


@relies_on("optuna", tables)
def test_optuna_reads_trials_by_the_public_method(study: optuna.Study, tmp_path: Path) -> None:
    class Counting(tables.DatabaseStorage):
        asked: list[tuple[object, ...]] = []  # noqa: RUF012

        def read_trials(self, study_id: int, states: Any, ids: set[int], above: int) -> list[FrozenTrial]:
            self.asked.append((study_id, states, {*ids}, above))
            return super().read_trials(study_id, states, ids, above)

    study.tell(study.ask(), 0.5)
    running = study.ask()
    other = optuna.load_study(storage=Counting(f"sqlite:///{tmp_path}/s.db"), study_name="s")
    for _ in range(2):  # first all trials, then those that had not finished and those after the last finished one
        assert [trial.number for trial in other.get_trials()] == [0, 1]
    trial_id = trial_id_of(running)
    assert Counting.asked == [
        (study_id_of(study), None, set(), -1),
        (study_id_of(study), None, {trial_id}, trial_id - 1),
    ]


@relies_on("optuna", tables)
def test_the_tables_hold_a_trial(study: optuna.Study, storage: tables.DatabaseStorage) -> None:
    study.enqueue_trial({"x": 2})
    trial = study.ask({"x": IntDistribution(0, 9)})
    trial.report(0.5, 3)
    trial.set_user_attr("owner", "me")
    study.tell(trial, 0.75)
    trial_id, kept = trial_id_of(trial), study.trials[0]
    with tables.session_of(storage) as session:
        row = tables.TrialModel.find_or_raise_by_id(trial_id, session)
        assert (row.study_id, row.number, row.state) == (study_id_of(study), 0, TrialState.COMPLETE)
        started, completed = session.execute(sqlalchemy.select(tables.STARTED_UTC, tables.COMPLETED_UTC)).one()
        assert kept.datetime_start is not None
        assert abs(started.timestamp() - kept.datetime_start.timestamp()) % 900 < 1  # another time zone
        assert completed >= started
        param = session.query(tables.TrialParamModel).one()
        assert (param.trial_id, param.param_name, param.param_value) == (trial_id, "x", 2)
        assert optuna.distributions.json_to_distribution(param.distribution_json) == IntDistribution(0, 9)
        value = session.query(tables.TrialValueModel).one()
        assert (value.objective, value.stored_repr_to_value(value.value, value.value_type)) == (0, 0.75)
        report = session.query(tables.TrialIntermediateValueModel).one()
        stored = report.stored_repr_to_intermediate_value(report.intermediate_value, report.intermediate_value_type)
        assert (report.step, stored) == (3, 0.5)
        attribute = session.query(tables.TrialUserAttributeModel).one()
        assert (attribute.key, attribute.value_json) == ("owner", '"me"')
        assert "fixed_params" in {one.key for one in session.query(tables.TrialSystemAttributeModel)}
        assert tables.StudyModel.find_or_raise_by_id(row.study_id, session).study_name == "s"
    for table in (tables.TrialParamModel, tables.TrialValueModel, tables.TrialUserAttributeModel):
        assert len(table.__table__.primary_key) == 1
    with tables.session_of(storage) as session, pytest.raises(KeyError):
        tables.StudyModel.find_or_raise_by_id(99, session)


@relies_on("optuna", tables)
def test_a_session_is_committed_or_rolled_back(study: optuna.Study, storage: tables.DatabaseStorage) -> None:
    optuna.create_study(storage=storage, study_name="other")
    rename = sqlalchemy.update(tables.StudyModel).values(study_name="other")
    with pytest.raises(IntegrityError), tables.session_of(storage) as session:
        session.execute(rename)
    with pytest.raises(StorageInternalError) as failed, tables.session_of(storage) as session:
        session.execute(sqlalchemy.text("SELECT nothing FROM nowhere"))
    assert isinstance(failed.value.__cause__, sqlalchemy.exc.DBAPIError)
    with tables.session_of(storage) as session:
        session.execute(rename.where(tables.StudyModel.study_name == "other").values(study_name="another"))
    assert optuna.get_all_study_names(storage) == ["s", "another"]


def test_a_function_of_a_trial_may_stop(study: optuna.Study) -> None:
    trial = optuna.trial.create_trial(value=1.0)
    with relies_on("optuna", optuna_trials):
        assert call_back(study, lambda study, _: study.stop(), trial)
        assert not call_back(study, lambda *_: None, trial)
    with pytest.raises(RuntimeError):
        study.stop()


def test_finished_trials_are_counted_without_optuna(tmp_path: Path) -> None:
    file = tmp_path / "a file.db"
    assert finished_and_reported(file, "mine") == (0, 0)
    assert not file.exists()
    with relies_on("optuna", optuna_rows):
        for name in ("mine", "other"):
            study = optuna.create_study(storage=f"sqlite:///{file}", study_name=name)
            states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.WAITING)
            for state in states[: 4 if name == "mine" else 1]:
                value = 0.5 if state is TrialState.COMPLETE else None
                study.add_trial(create_trial(state=state, value=value, intermediate_values={0: 0.1, 1: 0.2}))
        assert finished_and_reported(file, "mine") == (2, 8)
        assert finished_and_reported(file, "no such study") == (0, 0)
