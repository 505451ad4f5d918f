"""Which trials the pruner of several objectives compares, and what a study file says of it."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
import pytest
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.validation import validate
from lightsearch.study import sampler_checks, samplers
from lightsearch.study.dominated_pruner import DominatedPruner
from lightsearch.study.epoch_values import EPOCH_VALUES, as_attribute, curve_of, epoch_values_of
from tests.conftest import ROOT

TWO = ('metric=["val_acc", "parameters"]', 'direction=["maximize", "minimize"]')
Curve = list[tuple[float, float]]


def add(study: optuna.Study, curve: Curve, state: TrialState = TrialState.COMPLETE, **attrs: Any) -> FrozenTrial:
    """Adds a trial with these values of both objectives after each epoch."""
    values = curve[-1] if state is TrialState.COMPLETE else None
    attrs[EPOCH_VALUES] = as_attribute(dict(enumerate(curve)))
    study.add_trial(create_trial(state=state, values=values, user_attrs=attrs))
    return study.trials[-1]


def two(metrics: tuple[str, str] = ("val_acc", "parameters")) -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "minimize"])
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        study.set_metric_names(list(metrics))
    return study


def judged(study: optuna.Study, curve: Curve, **options: Any) -> bool:
    return DominatedPruner(**{"margin": 0.0, **options}).prune(study, add(study, curve, TrialState.RUNNING))


def test_nothing_is_pruned_before_enough_trials_are_complete_or_in_the_first_epochs() -> None:
    study = two()
    for number in range(4):
        add(study, [(0.8 + number / 100, 10)] * 3)
    add(study, [(0.9, 10)] * 3, TrialState.PRUNED)
    assert not judged(study, [(0.1, 99)] * 2)
    add(study, [(0.9, 10)] * 3)
    assert not judged(study, [(0.1, 99)])
    assert judged(study, [(0.1, 99)] * 2)
    assert judged(study, [(0.1, 99)], n_warmup_steps=0)
    assert not judged(study, [(0.1, 99)] * 2, n_startup_trials=6)
    assert not judged(study, [])


def test_only_the_same_epoch_is_compared() -> None:
    study = two()
    for _ in range(5):
        add(study, [(0.1, 10), (0.2, 10), (0.9, 10)])
    assert not judged(study, [(0.3, 99), (0.4, 99)])  # ahead of all at epoch 1
    assert judged(study, [(0.3, 99), (0.4, 99), (0.5, 99)])


def test_a_complete_trial_keeps_its_values_and_a_pruned_one_is_not_extrapolated() -> None:
    short: Curve = [(0.5, 10), (0.6, 10)]
    for state, pruned in ((TrialState.COMPLETE, True), (TrialState.PRUNED, False)):
        study = two()
        for _ in range(5):
            add(study, [(0.1, 5), (0.2, 5), (0.2, 5), (0.2, 5)])
        for _ in range(6):
            add(study, short, state)
        assert judged(study, [(0.3, 20)] * 4, margin=0.1) is pruned


def test_the_doubt_is_the_trials_own() -> None:
    study = two(("val_acc", "val_loss"))
    for _ in range(5):
        add(study, [(0.5, 0.5), (0.8, 0.9)])  # with the best accuracy, the loss is 0.9
    assert not judged(study, [(0.7, 1.0), (0.6, 0.8)])  # the trial has had 0.8
    assert judged(study, [(0.7, 1.0), (0.6, 0.95)])


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.WAITING, TrialState.FAIL])
def test_unfinished_trials_count_and_failed_ones_do_not(state: TrialState) -> None:
    study = two()
    for _ in range(5):
        add(study, [(0.1, 30)] * 2)
    for _ in range(6):
        add(study, [(0.9, 10)] * 2, state)
    assert judged(study, [(0.5, 20)] * 2) == (state is not TrialState.FAIL)


def test_a_measured_objective_needs_no_margin() -> None:
    for metrics, pruned in ((("val_acc", "parameters"), True), (("val_acc", "val_loss"), False)):
        study = two(metrics)
        for number in range(6):
            add(study, [(0.9 + number / 1000, 10)] * 2)
        assert judged(study, [(0.5, 10)] * 2, margin=0.5) is pruned


def test_latencies_within_their_spread_are_equal() -> None:
    study = two(("val_acc", "latency_ms"))
    for _ in range(6):
        add(study, [(0.9, 1.1)] * 2, spreads=[0.0, 0.3])
    assert judged(study, [(0.5, 1.0)] * 2)
    assert not judged(study, [(0.5, 0.7)] * 2)


def test_trials_of_other_programs_say_nothing() -> None:
    study = two()
    for attr in ({"0": "x"}, [1, 2], {"a": [1, 2]}, {"1": 5}, {"1": [0.9]}, {"1": []}):
        study.add_trial(create_trial(values=[0.99, 1], user_attrs={EPOCH_VALUES: attr}))
    for _ in range(9):
        study.add_trial(create_trial(values=[0.99, 1]))
    assert not judged(study, [(0.5, 20)] * 2)
    assert [curve_of(trial) for trial in study.trials[:6]] == [{}, {}, {}, {}, {1: 0.9}, {}]
    assert epoch_values_of(study.trials[-1]) == {0: [0.5, 20.0], 1: [0.5, 20.0]}


def test_it_is_for_several_objectives() -> None:
    study = optuna.create_study(pruner=DominatedPruner())
    trial = study.ask()
    trial.report(1.0, 0)
    with pytest.raises(ValueError, match="compares several objectives, and this study has one"):
        trial.should_prune()


def mistakes(*overrides: str) -> list[str]:
    declared = read_declaration(ROOT / "studies" / "digits.toml", list(overrides))
    return [str(mistake) for mistake in validate(declared)[1] + sampler_checks.check(declared)]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            (*TWO, "pruner={name='MedianPruner'}"),
            "pruner.name = 'MedianPruner': compares one objective, and this study has several; write Dominated",
        ),
        ((*TWO, "pruner={name='HyperbandPruner'}"), "pruner.name = 'HyperbandPruner': compares one objective"),
        (
            (*TWO, "pruner={name='PatientPruner', init_args={patience=1, wrapped_pruner={name='DominatedPruner'}}}"),
            "pruner.name = 'PatientPruner': compares one objective",
        ),
        ((*TWO, "pruner.name=DominatedPrune"), "pruner.name = 'DominatedPrune': did you mean \"DominatedPruner\"?"),
        (("pruner.name=DominatedPruner",), "pruner.name = 'DominatedPruner': compares several objectives, and this"),
        (
            ("pruner={name='PatientPruner', init_args={patience=1, wrapped_pruner={name='DominatedPruner'}}}",),
            "pruner.init_args.wrapped_pruner.name = 'DominatedPruner': compares several objectives, and this study has",
        ),
        ((*TWO, "pruner={name='DominatedPruner', init_args={margin=-1}}"), "pruner.init_args.margin = -1: Dominated"),
        (
            (*TWO, "pruner={name='DominatedPruner', init_args={margin='wide'}}"),
            "margin = 'wide': DominatedPruner",
        ),
        ((*TWO, "pruner={name='DominatedPruner', init_args={n_warmup_steps=-1}}"), "n_warmup_steps = -1: is a number"),
        ((*TWO, "pruner={name='DominatedPruner', init_args={k=1}}"), "pruner.init_args.k = 1: known are"),
    ],
)
def test_mistakes_in_one_line(overrides: tuple[str, ...], line: str) -> None:
    (said,) = mistakes(*overrides)
    assert line in said


def test_it_is_the_default_of_several_objectives() -> None:
    assert not mistakes(*TWO, "pruner={name='DominatedPruner', init_args={margin=0, n_startup_trials=3}}")
    assert not mistakes(*TWO, "pruner.name=DominatedPruner")  # with the arguments of the MedianPruner before it
    assert not mistakes(*TWO, "pruner={name='NopPruner'}")
    declared = read_declaration(ROOT / "studies" / "digits.toml", list(TWO))
    declared.pop("pruner", None)
    assert not sampler_checks.check(declared)
    study_file, wrong = validate(declared)
    assert study_file is not None, wrong
    assert study_file.pruner.name == "DominatedPruner"
    assert vars(samplers.pruner(study_file)) == vars(DominatedPruner()), "the defaults are those of the class"
    assert StudyFile.model_validate({"name": "x"}).pruner.name == "MedianPruner"
