from typing import Any

import optuna
import pytest

from lightsearch import samplers
from lightsearch.study_file import StudyFile
from tests.conftest import digits

SMALL = "space={model={hidden_size={choice=[16, 32]}}, data={batch_size={int=[32, 96], step=32}}}"


def params(study_file: StudyFile, counts: list[int]) -> list[dict[str, Any]]:
    """What is proposed over several runs of so many trials each, every run with a sampler made anew."""
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
    ],
)
def test_mistakes(override: str, line: str) -> None:
    from lightsearch.study_file import read_declaration
    from tests.conftest import ROOT

    found = samplers.check(read_declaration(ROOT / "studies" / "digits.toml", [override]))
    assert any(line in str(mistake) for mistake in found), found


def test_a_wrapped_pruner_is_built_first() -> None:
    study_file = digits("pruner={name='PatientPruner', init_args={patience=2, wrapped_pruner={name='MedianPruner'}}}")
    pruner = samplers.pruner(study_file)
    assert isinstance(pruner, optuna.pruners.PatientPruner)
    assert isinstance(pruner._wrapped_pruner, optuna.pruners.MedianPruner)
