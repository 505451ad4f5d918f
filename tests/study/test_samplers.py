import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna._imports import _LazyImport

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.study import sampler_checks, samplers
from lightsearch.study.assignment import NoTrialReason, TrialAssignment
from tests.conftest import ROOT, digits, open_queue

SMALL = "space={model={hidden_size={choice=[16, 32]}}, data={batch_size={int=[32, 96], step=32}}}"


def params(study_file: StudyFile, counts: list[int]) -> list[dict[str, Any]]:
    """The parameters that are proposed in several runs, each with a new sampler and the given number of trials."""
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="s", direction="maximize")
    for count in counts:
        study = optuna.load_study(storage=storage, study_name="s", sampler=samplers.seeded_sampler(study_file))
        for _ in range(count):
            trial = study.ask()
            study_file.space.suggest(trial)
            study.tell(trial, trial.number * 0.7 % 1)
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("name", ["TPESampler", "RandomSampler", "QMCSampler", "CmaEsSampler", "NSGAIISampler"])
def test_three_and_three_equal_six(name: str) -> None:
    if name == "CmaEsSampler":
        pytest.importorskip("cmaes")
    study_file = digits(f"sampler={{name='{name}'}}", "space.data={}")
    once = params(study_file, [24])
    assert once == params(study_file, [3, 3, 18])
    assert len({str(point) for point in once}) > 20
    assert once != params(digits(f"sampler={{name='{name}'}}", "space.data={}", "seed=7"), [24])


@pytest.mark.parametrize("name", ["GridSampler", "BruteForceSampler"])
def test_enumerating_samplers_visit_every_point_once_over_two_runs(name: str) -> None:
    proposed = params(digits(f"sampler={{name='{name}'}}", SMALL), [2, 4])
    assert len({str(point) for point in proposed}) == 6


def test_trial_seeds_are_independent() -> None:
    seeds = {samplers.trial_seed(study, number) for study in range(50) for number in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("sampler.name=TPESample", "sampler.name = 'TPESample': did you mean \"TPESampler\"?"),
        ("sampler.init_args={n_startup=3}", 'sampler.init_args.n_startup = 3: did you mean "n_startup_trials"?'),
        ("sampler={name='GridSampler'}", "sampler.name = 'GridSampler': needs steps or choices"),
        ("pruner={name='SuccessiveHalvingPruner', init_args={min_resource=0}}", "SuccessiveHalvingPruner says: "),
        ("pruner.name=TPESampler", "pruner.name = 'TPESampler': known are"),
        ("sampler.init_args.n_startup_trials=ten", "n_startup_trials = 'ten': TPESampler takes int"),
        ("sampler.init_args.n_startup_trials=true", "n_startup_trials = True: TPESampler takes int"),
        ("sampler.init_args.n_startup_trials=-3", "n_startup_trials = -3: is a number of trials or steps"),
        (
            "sampler.init_args={n_startup_trials=50, n_ei_candidates=0}",
            "init_args.n_ei_candidates = 0: TPESampler says",
        ),
        ("sampler.init_args.gamma=0.1", "sampler.init_args.gamma = 0.1: TPESampler takes Callable"),
        (
            "sampler.init_args.seed=3",
            "sampler.init_args.seed = 3: every trial would be given the same values; write seed",
        ),
        (
            "sampler={name='QMCSampler', init_args={independent_sampler={name='RandomSampler', init_args={seed=3}}}}",
            "sampler.init_args.independent_sampler.init_args.seed = 3: every trial",
        ),
        ("sampler={name='BruteForceSampler'}", "add step = ... to learning_rate"),
        (
            "sampler={name='GridSampler', init_args={search_space={hidden_siz=[16]}}}",
            'search_space.hidden_siz = 16: did you mean "hidden_size"?',
        ),
        (
            "sampler={name='GridSampler', init_args={search_space={hidden_size=[16]}}}",
            "search_space = {'hidden_size': [16]}: has no values for learning_rate",
        ),
        (
            "sampler={name='PartialFixedSampler', init_args={fixed_params={hidden_size=1}, base_sampler=1}}",
            "fixed_params.hidden_size = 1: hidden_size takes whole numbers from 16 to 256",
        ),
        ("sampler={name='BaseGASampler'}", "sampler.name = 'BaseGASampler': did you mean"),
        (
            "pruner={name='MedianPruner', init_args={n_warmup_steps='x'}}",
            "n_warmup_steps = 'x': MedianPruner takes int",
        ),
        (
            "pruner={name='PercentilePruner', init_args={percentile=700}}",
            "pruner.init_args.percentile = 700: Percentile",
        ),
        (
            "pruner={name='PatientPruner', init_args={patience=2, wrapped_pruner='MedianPruner'}}",
            "wrapped_pruner = 'MedianPruner': PatientPruner takes BasePruner",
        ),
    ],
)
def test_mistakes(override: str, line: str) -> None:
    (mistake,) = check(override)
    assert line in mistake


def check(*overrides: str) -> list[str]:
    named = ["sampler.name=TPESampler"] if overrides[0].startswith("sampler.init_args") else []
    declared = read_declaration(ROOT / "studies" / "digits.toml", [*named, *overrides])
    return [str(mistake) for mistake in sampler_checks.check(declared)]


def test_a_sampler_whose_package_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    monkeypatch.setattr("optuna.samplers._cmaes.cmaes", _LazyImport("cmaes"))  # as if it had not been used before
    assert check("sampler.name=CmaEsSampler") == [
        "sampler.name = 'CmaEsSampler': needs a package that is not installed: pip install cmaes"
    ]


def test_a_space_of_too_many_points_is_not_listed() -> None:
    (mistake,) = check("sampler.name=BruteForceSampler", "space={model={hidden_size={int=[1, 1_000_000_000]}}}")
    assert "lists all of 1,000,000,000 values at once" in mistake


def test_samplers_in_order_have_nothing_to_object_to() -> None:
    for name in ("RandomSampler", "QMCSampler", "NSGAIISampler"):
        several = ("metric=['val_acc', 'val_loss']", "direction=['maximize', 'minimize']", "pruner.name=NopPruner")
        assert check(f"sampler.name={name}", *several, "pruner.init_args={}") == []
    values = "hidden_size=[16], learning_rate=[0.1], batch_size=[32, 64]"
    assert check(f"sampler={{name='GridSampler', init_args={{search_space={{{values}}}}}}}") == []
    for name in ("HyperbandPruner", "SuccessiveHalvingPruner", "NopPruner"):
        assert check(f"pruner={{name='{name}'}}") == []


def test_a_grid_of_ones_own_ends_when_it_is_through(tmp_path: Path) -> None:
    values = "hidden_size=[16], learning_rate=[0.1], batch_size=[32, 64]"
    study_file = digits(f"sampler={{name='GridSampler', init_args={{search_space={{{values}}}}}}}")
    queue = open_queue(study_file, tmp_path)
    asked = [queue.ask(9), queue.ask(9)]
    assert {assigned.params["batch_size"] for assigned in asked if isinstance(assigned, TrialAssignment)} == {32, 64}
    assert queue.ask(9) is NoTrialReason.EXHAUSTED


def test_a_wrapped_pruner_is_built_first() -> None:
    study_file = digits("pruner={name='PatientPruner', init_args={patience=2, wrapped_pruner={name='MedianPruner'}}}")
    pruner = samplers.pruner(study_file)
    assert isinstance(pruner, optuna.pruners.PatientPruner)
    assert isinstance(pruner._wrapped_pruner, optuna.pruners.MedianPruner)


def test_what_a_sequence_leaves_out_differs_from_trial_to_trial() -> None:
    study_file = digits("sampler={name='QMCSampler'}")
    study = optuna.create_study(sampler=samplers.seeded_sampler(study_file))
    drawn = []
    for _ in range(12):
        trial = study.ask()
        drawn.append(study_file.space.suggest(trial))
        study.tell(trial, 0.5)
    assert len({params["batch_size"] for params in drawn}) > 1
    assert len({params["learning_rate"] for params in drawn}) == 12
