"""What a study begins with: a user's guess, and what earlier studies have found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from lightsearch.errors import UserError
from lightsearch.outcome import Kind, Outcome, TrialError
from lightsearch.study.learning import ATTR
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import FACTS, digits, open_queue
from tests.study.test_trial_queue import ask, complete

WITHOUT_SCHEDULER = "sampler.name=RandomSampler"
PRIOR = "space.model={hidden_size={int=[16, 64], prior=48}, learning_rate={float=[1e-4, 1e-1], log=true, prior=1e-3}}"

SIMILAR = {
    "hidden_size": IntDistribution(8, 1024, log=True),
    "learning_rate": FloatDistribution(1e-5, 1.0, log=True),
    "batch_size": IntDistribution(32, 256),  # a choice in the new study
    "dropout": FloatDistribution(0.0, 0.5),
}
FOUND: list[tuple[float, dict[str, Any]]] = [
    (0.8, {"hidden_size": 512, "learning_rate": 0.02, "batch_size": 64, "dropout": 0.1}),
    (0.95, {"hidden_size": 100, "learning_rate": 0.003, "batch_size": 64, "dropout": 0.2}),
    (0.94, {"hidden_size": 101, "learning_rate": 0.003, "batch_size": 32, "dropout": 0.3}),
    (0.9, {"hidden_size": 20, "learning_rate": 0.05, "batch_size": 64, "dropout": 0.0}),
]
BEST = [
    {"hidden_size": 100, "learning_rate": 0.003},
    {"hidden_size": 20, "learning_rate": 0.05},
    {"learning_rate": 0.02},
]


def earlier(
    folder: Path, name: str = "first", found: list[tuple[float, dict[str, Any]]] = FOUND, direction: str = "maximize"
) -> None:
    """A study of another program in the storage."""
    (folder / "studies").mkdir(exist_ok=True)
    study = optuna.create_study(storage=f"sqlite:///{folder}/studies/studies.db", study_name=name, direction=direction)
    for value, params in found:
        of = {key: SIMILAR.get(key, CategoricalDistribution(["a", "b"])) for key in params}
        study.add_trial(create_trial(value=value, params=params, distributions=of))


def begun(queue: TrialQueue, n: int) -> list[dict[str, Any]]:
    return [dict(ask(queue, 99).params) for _ in range(n)]


def test_a_prior_is_the_first_trial_of_the_scheduler_and_of_a_sampler(tmp_path: Path) -> None:
    for name, overrides in (("one", ()), ("other", (WITHOUT_SCHEDULER,))):
        queue = open_queue(digits(PRIOR, f"name={name}", *overrides), tmp_path)
        first, second = begun(queue, 2)
        assert first["hidden_size"] == 48
        assert first["learning_rate"] == pytest.approx(1e-3)
        assert second["hidden_size"] != 48
        assert "batch_size" in first


def test_it_comes_after_what_is_enqueued(tmp_path: Path) -> None:
    queue = open_queue(digits(PRIOR, "enqueue=[{hidden_size=17}]", WITHOUT_SCHEDULER), tmp_path)
    assert [params["hidden_size"] for params in begun(queue, 2)] == [17, 48]


def test_a_changed_prior_is_logged_and_does_not_make_another_study(tmp_path: Path) -> None:
    queue = open_queue(digits(PRIOR), tmp_path)
    complete(queue, ask(queue, 9), 0.5)
    changed = TrialQueue(digits(PRIOR.replace("48", "32")), queue.storage, queue.url, queue.folder)
    assert changed.open(FACTS) == ["prior.hidden_size: 48 in the study, 32 in the file"]
    assert begun(changed, 1)[0]["hidden_size"] == 32


def test_the_best_distinct_configurations_of_an_earlier_study_are_tried_first(tmp_path: Path) -> None:
    earlier(tmp_path)
    queue = open_queue(digits("learn_from=['first']"), tmp_path)
    (learned,) = queue.study.user_attrs[ATTR]
    assert learned == {"study": "first", "uid": None, "configurations": BEST}
    for params, best in zip(begun(queue, 3), BEST, strict=True):
        assert {name: params[name] for name in best} == pytest.approx(best)
    reasons = [trial.user_attrs["decisions"][0]["reason"] for trial in queue.study.trials]
    assert all(reason.endswith(f", at place {place + 1} of first") for place, reason in enumerate(reasons))


def test_a_sampler_gets_the_best_configuration_of_each_study(tmp_path: Path) -> None:
    earlier(tmp_path)
    earlier(tmp_path, "second", [(0.7, {"hidden_size": 30})])
    earlier(tmp_path, "third", [(0.7, {"hidden_size": 30})])
    queue = open_queue(digits("learn_from=['first', 'second', 'third']", WITHOUT_SCHEDULER), tmp_path)
    waiting = [trial.system_attrs["fixed_params"] for trial in queue.study.trials]
    assert waiting == [BEST[0], {"hidden_size": 30}]


def test_what_was_learned_stays_when_the_earlier_study_changes_or_is_deleted(tmp_path: Path) -> None:
    earlier(tmp_path)
    study_file = digits("learn_from=['first']")
    queue = open_queue(study_file, tmp_path)
    complete(queue, ask(queue, 9), 0.5)
    expected = queue.study.user_attrs
    optuna.delete_study(study_name="first", storage=queue.storage)
    again = open_queue(study_file, tmp_path)
    assert again.study.user_attrs == expected
    earlier(tmp_path, found=[(1.0, {"hidden_size": 16})])
    assert open_queue(study_file, tmp_path).study.user_attrs == expected
    forgetting = TrialQueue(digits(), queue.storage, queue.url, queue.folder)
    assert forgetting.open(FACTS) == ["learn_from: ['first'] in the study, nothing in the file"]
    assert forgetting.study.user_attrs[ATTR] == []


@pytest.mark.parametrize(
    ("learn_from", "line"),
    [
        ("nowhere", "learn_from = 'nowhere': no such study in the storage; there are: empty, first, lower, unlike"),
        ("lower", "has the direction minimize, and this study maximize"),
        ("empty", "has no complete trial to learn from"),
        ("unlike", "its parameters are activation, those here hidden_size, learning_rate, batch_size"),
    ],
)
def test_a_study_that_nothing_can_be_learned_from_is_a_line(tmp_path: Path, learn_from: str, line: str) -> None:
    earlier(tmp_path)
    earlier(tmp_path, "lower", direction="minimize")
    earlier(tmp_path, "empty", [])
    earlier(tmp_path, "unlike", [(0.5, {"activation": "a"})])
    with pytest.raises(UserError) as refused:
        open_queue(digits(f"learn_from=['first', '{learn_from}']"), tmp_path)
    (mistake,) = refused.value.mistakes
    assert line in str(mistake)
    names = optuna.get_all_study_names(f"sqlite:///{tmp_path}/studies/studies.db")
    assert "digits" not in names


def test_configurations_that_fail_are_not_tried_again(tmp_path: Path) -> None:
    queue = open_queue(digits(PRIOR), tmp_path)
    tried = []
    for _ in range(3):
        assigned = ask(queue, 9)
        tried.append(tuple(assigned.params.items()))
        error = TrialError(type="ValueError", message="no", traceback="no")
        assert queue.tell(assigned, Outcome(number=assigned.number, kind=Kind.USER_ERROR, error=error))
    assert len(set(tried)) == 3
