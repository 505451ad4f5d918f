"""Takes a module through all commands, and collects what is not as it should be."""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import lightsearch
from lightsearch.confirm.display import RetrainDisplay
from lightsearch.confirm.evaluation import evaluate
from lightsearch.confirm.reproduce import reproduce
from lightsearch.confirm.retrain import RetrainSettings, retrain
from lightsearch.errors import UserError
from tests.other_people import plain
from tests.other_people.case import Case

URL = "sqlite:///studies/studies.db"
N_TRIALS = 4
ROUNDING = {"rel": 1e-4, "abs": 1e-5}
"""How much a metric that is computed again may differ: float32 sums depend on the order."""
PACK_ROUNDING = 5e-3
"""The same after all steps of a training, as a share of the metric; a case may allow more (``jump``)."""
LEFT = (
    "studies/studies.db*",
    "studies/{name}/results.json",
    "studies/{name}/test_evaluations.json",
    "studies/{name}/trial-????/best.ckpt",
    "studies/{name}/trial-????/last.ckpt",
    "studies/{name}/trial-????/epochs.csv",
    "studies/{name}/trial-????/result.json",
    "studies/{name}/trial-????/log.txt",
    "studies/{name}/retrain/*",
    "reports/{name}/confirm.json",
    "reports/{name}/confirm.md",
    "reports/{name}/final/*",
    "studies/.artifacts/*",  # pictures for Optuna's dashboard
    "studies/.*.lock",  # a lock that was deleted would lock nobody out
    "studies/{name}/.retrain.lock",
    "studies/{name}/trial-????/.worker.lock",
)
"""The files that the README says a study leaves."""


@dataclass
class Journey:
    """What the commands made of one module."""

    name: str
    case: Case
    pack: int
    """Trials per pack, as asked for; 1: trials train one by one."""
    problems: list[str] = field(default_factory=list)
    """What is not as it should be."""
    packs: str = ""
    """``taken``, or why trials train one by one."""
    value: float = math.nan
    """The best trial's value, as recorded."""
    value_plain: float = math.nan
    """The same, computed by plain Lightning from its checkpoint."""
    alone: dict[str, list[float]] = field(default_factory=dict)
    """The learning curves of a trial of a pack, trained again alone."""
    packed: dict[str, list[float]] = field(default_factory=dict)
    """The learning curves of the same trial in the pack."""
    tested: dict[str, float] = field(default_factory=dict)
    """The best trial's test metrics, as recorded."""
    tested_plain: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Records an exception as a problem of this stage; the journey goes on."""
        try:
            yield
        except UserError as error:
            self.problems.append(f"{name}: refused: {error}")
        except Exception as error:
            self.problems.append(f"{name}: {type(error).__name__}: {str(error).strip()[:300]}")

    def expect(self, true: bool, problem: str) -> None:
        if not true:
            self.problems.append(problem)

    def same(self, stage: str, ours: dict[str, float], theirs: dict[str, float], **tolerance: float) -> None:
        """Records a problem if two sets of metrics differ in a name or in a value."""
        close = pytest.approx(theirs, **(tolerance or ROUNDING), nan_ok=True)
        self.expect(ours == close, f"{stage}: {_shown(ours)}; plain Lightning says {_shown(theirs)}")


def travel(name: str, case: Case, pack: int) -> Journey:
    """Takes a module from a search in this folder to a retrained model, and compares each step with plain Lightning."""
    journey = Journey(name, case, pack)
    result = None
    with journey.stage("search"):
        result = _search(journey)
    if result is None or result.best is None or journey.packs not in ("", "taken"):
        return journey  # a case that trains one by one although packs are asked for is a journey of its own
    with journey.stage("validation"):
        _check_value(journey, result)
    with journey.stage("evaluate"):
        _check_evaluation(journey, result)
    with journey.stage("load_best_model"):
        _check_loaded(journey, result)
    with journey.stage("reproduce"):
        _check_reproduced(journey, result)
    if pack == 1:
        with journey.stage("retrain"):
            _check_retrained(journey)
    with journey.stage("files"):
        _check_files(journey)
    return journey


def _search(journey: Journey) -> Any:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        result = lightsearch.search(
            journey.case.study(journey.name),
            n_trials=N_TRIALS,
            workers=1 if journey.pack > 1 else 2,
            pack=journey.pack,
            storage=URL,
        )
    refused = re.search(r"trials train one by one, not in packs: (.*)", said.getvalue())
    journey.packs = refused[1] if refused else "taken" if "trials train in packs" in said.getvalue() else ""
    journey.expect(bool(journey.packs) == (journey.pack > 1), f"search: nothing is said of packs: {said.getvalue()!r}")
    journey.expect(str(result.ending) == "done", f"search: ended as {result.ending}")
    for trial in result.study.trials:
        outcome = trial.user_attrs.get("result", {})
        error = outcome.get("error") or {}
        told = f"trial {trial.number} is {trial.state.name} {error.get('type', '')}: {error.get('message', '')}"
        journey.expect(trial.state.name in ("COMPLETE", "PRUNED"), f"search: {told}")
        if trial.state.name == "COMPLETE":
            _check_curve(journey, trial)
    in_packs = [trial.number for trial in result.study.trials if trial.user_attrs.get("result", {}).get("epoch_seeds")]
    journey.expect(
        bool(in_packs) == (journey.packs == "taken"), f"search: packs are {journey.packs}, in one were {in_packs}"
    )
    return result


def _check_curve(journey: Journey, trial: Any) -> None:
    curves = _curves(Path("studies", journey.name, f"trial-{trial.number:04d}", "epochs.csv"))
    metric = journey.case.metric
    reported = [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
    journey.expect(curves.get(metric) == reported, f"search: epochs.csv has {curves.get(metric)}, Optuna {reported}")
    best = (min if journey.case.direction == "minimize" else max)(reported)
    journey.expect(trial.value == best, f"search: the value is {trial.value}, the best epoch's {best}")
    finite = all(math.isfinite(value) for values in curves.values() for value in values)
    journey.expect(finite, f"search: metrics of trial {trial.number} are not numbers: {curves}")


def _check_value(journey: Journey, result: Any) -> None:
    """The recorded value is that of plain Lightning with the kept checkpoint."""
    metrics = plain.metrics("validate", journey.case, result.best.params, result.folder / result.best.checkpoint)
    journey.value, journey.value_plain = result.best.value, metrics[journey.case.metric]
    # Metrics of training, and those of the best epoch so far, may differ.
    recorded = {journey.case.metric: result.best.value}
    journey.same("validation", recorded, {journey.case.metric: metrics[journey.case.metric]})


def _check_evaluation(journey: Journey, result: Any) -> None:
    if not journey.case.tested:
        with pytest.raises(UserError, match=r"test_dataloader|test set|test_step"):
            evaluate(journey.name, url=URL, data_dir=None)
        return
    (evaluation,) = evaluate(journey.name, url=URL, data_dir=None)
    journey.tested = dict(evaluation.metrics or {})
    journey.tested_plain = plain.metrics(
        "test", journey.case, result.best.params, result.folder / result.best.checkpoint
    )
    journey.same("evaluate", journey.tested, journey.tested_plain)


def _check_loaded(journey: Journey, result: Any) -> None:
    """The loaded model has the checkpoint's weights and validates as was recorded."""
    model = result.load_best_model()
    journey.expect(not model.training, "load_best_model: it is in training mode")
    kept = torch.load(result.folder / result.best.checkpoint, weights_only=False)["state_dict"]
    state = model.state_dict()
    equal = state.keys() == kept.keys() and all(torch.equal(state[key], kept[key].to(state[key].dtype)) for key in kept)
    journey.expect(equal, "load_best_model: its weights are not the checkpoint's")
    metrics = plain.metrics("validate", journey.case, result.best.params, None, model)
    journey.same(
        "load_best_model", {journey.case.metric: result.best.value}, {journey.case.metric: metrics[journey.case.metric]}
    )


def _check_reproduced(journey: Journey, result: Any) -> None:
    """A trial that is trained again alone has the same metrics: to the bit, or up to rounding if it was in a pack."""
    number = N_TRIALS - 1  # in a pack not its oldest member
    again = reproduce(journey.name, number, url=URL, display=_silent())
    folder = Path("studies", journey.name)
    before = _curves(folder / f"trial-{number:04d}" / "epochs.csv")
    now = _curves(folder / "retrain" / f"reproduce-trial-{number:04d}-seed-0" / "epochs.csv")
    in_pack = bool(result.study.trials[number].user_attrs["result"]["epoch_seeds"])
    if in_pack:
        journey.packed, journey.alone = before, now
    journey.expect(before.keys() == now.keys(), f"reproduce: metrics were {sorted(before)}, alone {sorted(now)}")
    for metric in before.keys() & now.keys():
        jump = Case.jump if "train" in metric else journey.case.jump
        close = pytest.approx(now[metric], rel=PACK_ROUNDING, abs=jump) if in_pack else now[metric]
        journey.expect(before[metric] == close, f"reproduce: {metric} was {before[metric]}, again {now[metric]}")
    journey.expect(in_pack or again.same, f"reproduce: {' '.join(again.lines())}")


def _check_retrained(journey: Journey) -> None:
    output = Path("reports", journey.name).absolute()
    _, final = retrain(journey.name, RetrainSettings(top=1, seeds=1), url=URL, display=_silent(), output=output)
    checkpoint = output / "final" / "model.ckpt"
    journey.expect(checkpoint.is_file(), "retrain: no final/model.ckpt")
    if not journey.case.tested:
        recorded = json.loads((output / "final" / "final.json").read_text())
        journey.expect(not recorded.get("evaluation"), f"retrain: tested without a test set: {recorded}")
        return
    recorded = dict(final.evaluation.metrics or {})
    journey.same("retrain", recorded, plain.metrics("test", journey.case, final.run.params, checkpoint))
    with journey.stage("retrain: model.ckpt by itself"):
        _check_loads_by_itself(journey, checkpoint, final, recorded)


def _check_loads_by_itself(journey: Journey, checkpoint: Path, final: Any, recorded: dict[str, float]) -> None:
    """The exported model loads without the study, or the card says with which arguments."""
    try:
        model = plain.find(journey.case.model).load_from_checkpoint(checkpoint, map_location="cpu", weights_only=False)
        found = plain.metrics("test", journey.case, final.run.params, None, model)
    except (RuntimeError, TypeError, AttributeError):
        card = (checkpoint.parent / "README.md").read_text()
        names = journey.case.space["model"]
        journey.expect(
            all(f"{name}=" in card for name in names), f"retrain: the card does not say how it loads:\n{card}"
        )
    else:
        journey.same("retrain: model.ckpt by itself", recorded, found)


def _check_files(journey: Journey) -> None:
    allowed = [pattern.format(name=journey.name) for pattern in LEFT]
    allowed += [f"studies/{journey.name}/trial-????/{pattern}" for pattern in journey.case.writes]
    files = [file.relative_to(".").as_posix() for file in Path().rglob("*") if file.is_file()]
    left = [file for file in files if not any(fnmatch.fnmatch(file, pattern) for pattern in allowed)]
    journey.expect(not left, f"files: {', '.join(sorted(left))} left behind")


def _curves(file: Path) -> dict[str, list[float]]:
    """Every metric's values of an ``epochs.csv``, but for the times."""
    with file.open(newline="") as rows:
        table = list(csv.DictReader(rows))
    names = [name for name in table[0] if name not in ("epoch", "seconds")]
    return {name: [float(row[name]) for row in table if row[name]] for name in names}


def _silent() -> RetrainDisplay:
    return RetrainDisplay(Console(file=io.StringIO()))


def _shown(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in sorted(metrics.items())) or "nothing"
