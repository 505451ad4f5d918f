"""Diagnostics: every finding from a study that shows it, and none from one that does not."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from lightsearch.report.accuracy import standard_error
from lightsearch.report.diagnostics.diagnose import diagnose
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.facts.facts import gather
from lightsearch.report.facts.provenance import provenance

RATE = FloatDistribution(1e-4, 1e-1, log=True)
SIZE = IntDistribution(16, 256, log=True)
BATCH = CategoricalDistribution((32, 64, 128))

Params = dict[str, Any]


def make(
    n: int,
    value: Callable[[Params], float],
    space: dict[str, BaseDistribution],
    *,
    attrs: Callable[[int, Params], dict[str, Any]] | None = None,
    draw: Callable[[random.Random], Params] | None = None,
    n_val: int = 100_000_000,
    **study_attrs: Any,
) -> optuna.Study:
    """A study of n trials; ``attrs`` changes what is told of each (``kind`` decides its state)."""
    rng, study = random.Random(0), optuna.create_study(direction="maximize", study_name="digits")
    sections = {"model": {name: {} for name in space if name != "batch_size"}, "data": {"batch_size": {}}}
    defaults = {
        "metric": "val_acc",
        "data": {"n_val": n_val},
        "fingerprint": {"space": sections, "trainer": {"max_epochs": 20}},
        "search": {"pruner": {"name": "MedianPruner", "init_args": {"n_startup_trials": 5}}},
    }
    for key, attr in {**defaults, **study_attrs}.items():
        study.set_user_attr(key, attr)
    for number in range(n):
        params = draw(rng) if draw else sample(rng, space)
        score = value(params)
        told = {"kind": "complete", "value": score, "epochs": 10, "best_epoch": 5, "stop_reason": "early_stopping"}
        told |= attrs(number, params) if attrs else {}
        kind, curve = told.pop("kind"), told.pop("curve", {0: score})
        state = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(kind, TrialState.FAIL)
        study.add_trial(
            create_trial(
                state=state,
                params=params,
                distributions=space,
                intermediate_values=curve,
                value=score if state is TrialState.COMPLETE else None,
                user_attrs={"kind": kind, "result": {"number": number, **told}},
            )
        )
    return study


def sample(rng: random.Random, space: dict[str, BaseDistribution]) -> Params:
    drawn: Params = {}
    for name, one in space.items():
        if isinstance(one, CategoricalDistribution):
            drawn[name] = rng.choice(one.choices)
        elif isinstance(one, IntDistribution):
            drawn[name] = (
                round(one.low * (one.high / one.low) ** rng.random()) if one.log else rng.randint(one.low, one.high)
            )
        elif isinstance(one, FloatDistribution):
            drawn[name] = one.low * (one.high / one.low) ** rng.random() if one.log else rng.uniform(one.low, one.high)
    return drawn


def found(study: optuna.Study, code: str) -> list[Finding]:
    return [finding for finding in diagnose(study) if finding.code == code]


def middle(params: Params) -> float:
    """Best in the middle of the rates, and of the sizes."""
    return (
        0.9
        - 0.05 * (math.log10(params["learning_rate"]) + 2.5) ** 2
        - 0.01 * (math.log2(params["hidden_size"]) - 6) ** 2
    )


def test_a_sound_study_has_no_findings() -> None:
    assert diagnose(make(60, middle, {"learning_rate": RATE, "hidden_size": SIZE})) == []


@pytest.mark.parametrize("study", [optuna.create_study(), optuna.create_study(direction="minimize")])
def test_studies_of_others(study: optuna.Study) -> None:
    assert diagnose(study) == []
    study.add_trial(create_trial(value=1.0, params={"x": 1.0}, distributions={"x": FloatDistribution(0, 1)}))
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"result": []}))
    study.add_trial(create_trial(state=TrialState.RUNNING))
    diagnose(study)


def test_best_at_a_bound() -> None:
    study = make(40, lambda p: p["hidden_size"] / 300, {"hidden_size": SIZE})
    (finding,) = found(study, "bound")
    assert "upper bound of the space, 256" in finding.text
    assert "`hidden_size = { int = [16, 1024], log = true }` in [space.model]" in finding.hint
    assert "continue this study with `--widen`" in finding.hint


def test_of_a_function_the_function_is_to_be_changed() -> None:
    declared = {"objective": "mine.objective", "metric": "value"}
    space: dict[str, BaseDistribution] = {"hidden_size": SIZE, "dropout": FloatDistribution(0, 0.5)}
    study = make(40, lambda p: p["hidden_size"] / 300, space, data={}, fingerprint=declared)
    (bound,), (effect,) = found(study, "bound"), found(study, "no-effect")
    assert bound.hint.startswith("To search beyond it, have the function suggest hidden_size from `int = [16, 1024], ")
    assert effect.hint.startswith(f"Fix it: write `dropout = {study.best_params['dropout']:.4g}` in the function")
    assert {finding.code for finding in diagnose(study)} == {"bound", "no-effect"}


def test_no_bound_beyond_a_natural_limit() -> None:
    study = make(40, lambda p: 0.9 - p["dropout"] / 10, {"dropout": FloatDistribution(0, 0.5)})
    assert found(study, "bound") == []


def test_best_at_the_end_of_the_choices() -> None:
    study = make(40, lambda p: 1 / p["batch_size"], {"batch_size": BATCH}, metric="score")
    (finding,) = found(study, "bound")
    assert "`batch_size = { choice = [16, 32, 64, 128] }` in [space.data]" in finding.hint


def test_leaders_within_noise() -> None:
    study = make(30, middle, {"learning_rate": RATE, "hidden_size": SIZE}, n_val=100)
    (finding,) = found(study, "noise")
    assert "100 validation samples" in finding.text
    assert "`lightsearch retrain --study digits --top 5`" in finding.hint


def test_standard_error() -> None:
    assert standard_error("val_acc", 0.9, 10_000) == pytest.approx(0.003, rel=0.01)
    assert standard_error("val_acc", 1.0, 288) == pytest.approx(0.00245, rel=0.01)  # all right is not without error
    for metric, value, n_val in (("val_loss", 0.9, 100), ("val_acc", 1.9, 100), ("val_acc", 0.9, None), (None, 0.9, 9)):
        assert standard_error(metric, value, n_val) is None


def test_trials_cut_by_max_epochs() -> None:
    attrs = lambda number, params: {"stop_reason": "max_epochs", "epochs": 20, "best_epoch": 19}  # noqa: E731
    study = make(20, middle, {"learning_rate": RATE, "hidden_size": SIZE}, attrs=attrs)
    (finding,) = found(study, "max-epochs")
    assert "20 of 20 complete trials, the best among them," in finding.text
    assert "`max_epochs = 40` in [trainer]" in finding.hint


def test_pruner_stopped_trials_ahead_of_the_winner() -> None:
    def attrs(number: int, params: Params) -> dict[str, Any]:
        if number % 2:
            return {"kind": "pruned", "curve": {0: 0.1, 1: 0.1, 2: 0.8}}
        return {"curve": {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.95}}

    (finding,) = found(make(20, middle, {"learning_rate": RATE, "hidden_size": SIZE}, attrs=attrs), "pruner")
    assert "10 of 10 pruned trials" in finding.text
    assert "`init_args = { n_startup_trials = 5, n_warmup_steps = 3 }` in [pruner]" in finding.hint


def test_pruner_did_not_stop_what_was_not_resumed() -> None:
    def attrs(number: int, params: Params) -> dict[str, Any]:
        if number % 2:
            return {"kind": "pruned", "curve": {0: 0.8}, "stop_reason": "not_resumed"}
        return {"curve": {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.95}}

    assert not found(make(20, middle, {"learning_rate": RATE, "hidden_size": SIZE}, attrs=attrs), "pruner")


@pytest.mark.parametrize(("last", "n_found", "rival"), [(0.8, 1, 0.7), (0.2, 0, 0.1), (0.8, 0, 0.85)])
def test_pruner_stopped_trials_ahead_of_the_front(last: float, n_found: int, rival: float) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    pruner = {"name": "DominatedPruner", "init_args": {"margin": 0.1, "n_warmup_steps": 1}}
    study.set_user_attr("search", {"pruner": pruner})
    study.set_user_attr("fingerprint", {"trainer": {"max_epochs": 20}})
    for number in range(8):
        pruned = number % 2 == 1
        curve = [(0.1, 50), (last, 50)] if pruned else [(0.1, 60), (0.3, 60), (0.95, 60)]
        attrs = {"epoch_values": {str(step): values for step, values in enumerate(curve)}, "result": {"number": number}}
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE
        attrs["kind"] = state.name.lower()
        study.add_trial(create_trial(state=state, values=None if pruned else curve[-1], user_attrs=attrs))
    attrs = {"epoch_values": {"0": [rival, 40], "9": [0.9, 40]}, "result": {"number": 8}, "kind": "complete"}
    study.add_trial(create_trial(values=[0.9, 40], user_attrs=attrs))  # on the front too
    findings = found(study, "pruner")
    assert len(findings) == n_found
    for finding in findings:
        assert "4 of 4 pruned trials were ahead of a trial of the eventual front" in finding.text
        assert "`init_args = { margin = 0.1, n_warmup_steps = 2 }` in [pruner]" in finding.hint
    assert dict(provenance(gather(study)))["pruner"] == "DominatedPruner"
    study.set_user_attr("search", {"pruner": {"name": "MedianPruner"}})  # as studies were declared that never pruned
    assert dict(provenance(gather(study)))["pruner"] == "none"


def test_the_report_tells_why_trials_train_one_by_one() -> None:
    study = optuna.create_study()
    assert "packs" not in dict(provenance(gather(study)))
    study.set_user_attr("runs", [{"packing": "trials train one by one, not in packs: it branches"}, {"ending": "done"}])
    assert dict(provenance(gather(study)))["packs"] == "trials train one by one, not in packs: it branches"


def test_repetitions() -> None:
    space: dict[str, BaseDistribution] = {"batch_size": BATCH, "layers": IntDistribution(1, 3)}
    (finding,) = found(make(60, lambda p: p["layers"] / 9, space), "exhausted")
    assert "All 9 points of the space" in finding.text
    drawn = lambda rng: {"batch_size": 32, "layers": rng.choice([1, 2])}  # noqa: E731
    (finding,) = found(make(10, lambda p: p["layers"] / 9, space, draw=drawn), "duplicates")
    assert "8 of 10 finished trials" in finding.text
    assert "BruteForceSampler" in finding.hint


def test_a_parameter_without_effect() -> None:
    space: dict[str, BaseDistribution] = {"learning_rate": RATE, "hidden_size": SIZE, "batch_size": BATCH}
    drawn: list[Params] = []

    def draw(rng: random.Random) -> Params:
        """Every point with every batch size, in three trials."""
        drawn.append({**drawn[-1]} if len(drawn) % 3 else sample(rng, space))
        drawn[-1]["batch_size"] = (32, 64, 128)[len(drawn) % 3]
        return drawn[-1]

    (finding,) = found(make(300, middle, space, draw=draw), "no-effect")
    assert finding.text.startswith("batch_size shows no effect")
    assert "out of [space.data]" in finding.hint


def test_failures_that_a_parameter_explains() -> None:
    def attrs(number: int, params: Params) -> dict[str, Any]:
        error = {"type": "Diverged", "message": "train_loss is nan", "traceback": ""}
        return {"kind": "diverged", "value": None, "error": error} if params["learning_rate"] > 0.03 else {}

    (finding,) = found(make(80, middle, {"learning_rate": RATE, "hidden_size": SIZE}, attrs=attrs), "failures")
    assert "ended as diverged" in finding.text
    assert "with learning_rate above 0.03" in finding.text
    assert "`learning_rate = { float = [0.0001, 0.03" in finding.hint


def test_failures_that_nothing_explains() -> None:
    def attrs(number: int, params: Params) -> dict[str, Any]:
        error = {"type": "CudaError", "message": "no kernel", "traceback": ""}
        return {"kind": "crashed", "value": None, "error": error} if number % 3 == 0 else {}

    (finding,) = found(make(30, middle, {"learning_rate": RATE, "hidden_size": SIZE}, attrs=attrs), "failures")
    assert finding.text == '10 of 30 trials ended as crashed, most often with "CudaError: no kernel".'
    assert "`--workers 0`" in finding.hint


def test_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, optuna; from lightsearch.report.diagnostics.diagnose import diagnose; "
        "diagnose(optuna.create_study()); "
        "sys.exit(bool({'torch', 'pandas', 'pytorch_lightning', 'sklearn'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
