"""The study's result files: ``results.json``, and the checkpoints that are worth keeping."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from typing import Any

from optuna.trial import FrozenTrial

from lightsearch.atomic_files import write_json
from lightsearch.compat.optuna_trials import trial_id_of
from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Kind, Outcome
from lightsearch.paths import trial_folder
from lightsearch.storage.artifacts import Artifacts
from lightsearch.study.leaders import leaders, pareto_front
from lightsearch.study.origin import others, outcome_of
from lightsearch.study.pareto import as_list
from lightsearch.study.trial_queue import TrialQueue

LEADERS = 10
"""Leading trials listed in ``results.json``."""


def write_results(queue: TrialQueue) -> dict[str, Any]:
    """Writes ``studies/<name>/results.json`` from the storage, and returns what it holds."""
    results = summarise(queue.study.get_trials(deepcopy=False), queue.study.user_attrs, queue.study_file.name)
    write_json(queue.folder / "results.json", results)
    return results


def summarise(trials: list[FrozenTrial], attrs: dict[str, Any], name: str) -> dict[str, Any]:
    """Everything that the test evaluation and a reader need, as plain JSON.

    Of several objectives the best is the best by the first, and there is a ``front``; each entry has its ``values``.
    The best, the leaders and the front are lightsearch's own; ``other_programs`` says what else is in the study.

    Args:
        trials: All trials of the study.
        attrs: The study's user attributes.
        name: The study's name.
    """
    declared = attrs["fingerprint"]
    metrics, directions = as_list(declared["metric"]), as_list(declared["direction"])
    several = len(metrics) > 1
    ranked = leaders(trials, directions, LEADERS)
    outcomes = [outcome for trial in trials if (outcome := outcome_of(trial))]
    trained = [outcome for outcome in outcomes if outcome.kind in (Kind.COMPLETE, Kind.PRUNED)]
    epochs_at_most = sum(_max_epochs(outcome, declared) for outcome in trained)
    epochs = sum(outcome.epochs for outcome in trained)
    runs = attrs.get("runs", [])
    foreign = others(trials, attrs, directions)
    return {
        "study": name,
        "metric": declared["metric"],
        "direction": declared["direction"],
        "best": _entry(ranked[0], metrics) if ranked else None,
        "leaders": [_entry(outcome, metrics) for outcome in ranked],
        **({"front": [_entry(outcome, metrics) for outcome in pareto_front(trials, directions)]} if several else {}),
        "other_programs": foreign
        and {
            "trials": foreign.trials,
            "counted": foreign.counted,
            "best": foreign.best and {"number": foreign.best.number, "values": foreign.best.values},
        },
        "counts": {
            "states": Counter(trial.state.name.lower() for trial in trials),
            "kinds": Counter(str(outcome.kind) for outcome in outcomes),
        },
        "epochs": {
            "trained": epochs,
            "at_most": epochs_at_most,
            "saved_by_pruning": _saved(trained, declared, "pruned"),
            "saved_by_early_stopping": _saved(trained, declared, "early_stopping"),
        },
        "seeds": {"study": declared["seed"], "split": declared["seed"]},
        "data": attrs["data"],
        "versions": attrs["versions"],
        "device": attrs["device"],
        "runs": runs,
        "wall_seconds": round(sum(run["seconds"] for run in runs), 1),
        "test_evaluations": len(attrs.get("test_evaluations", [])),
        "declaration": declared,
    }


def drop_checkpoints(
    queue: TrialQueue, trials: list[FrozenTrial], finished: set[int], artifacts: Artifacts | None = None
) -> None:
    """Deletes the checkpoints of finished trials that are not among the study's ``keep_top_k`` leaders.

    Of several objectives the front keeps its checkpoints as well. Those that a module's own callbacks wrote to the
    trial's folder go with the trial's. What is deleted is named no more, neither in the storage nor in the trial's
    ``result.json``.

    Args:
        queue: The study.
        trials: All trials of it.
        finished: Numbers of trials that may still have checkpoints; those without any are taken out.
        artifacts: Where they are as well, or alone.
    """
    declared = queue.study_file
    kept = {outcome.number for outcome in leaders(trials, declared.directions, declared.keep_top_k)}
    if declared.multi_objective:
        kept |= {outcome.number for outcome in pareto_front(trials, declared.directions)}
    by_number = {trial.number: trial for trial in trials}
    for number in finished - kept:
        # First, so that none is named that is not there, wherever this process is killed.
        _name_no_checkpoint(queue, by_number[number])
        for checkpoint in trial_folder(queue.folder, number).rglob("*.ckpt"):
            try:
                checkpoint.unlink(missing_ok=True)
            except OSError as error:
                raise ResourceUnavailable(f"{checkpoint} cannot be deleted: {error.strerror or error}") from error
        if artifacts is not None:
            artifacts.delete_checkpoints(trial_folder(queue.folder, number).name)
        finished.discard(number)


def _name_no_checkpoint(queue: TrialQueue, trial: FrozenTrial) -> None:
    outcome = outcome_of(trial)
    if outcome is not None and outcome.checkpoint is not None:
        result = {**trial.user_attrs["result"], "checkpoint": None}
        queue.storage.replace_user_attr(trial_id_of(trial), "result", result)
        trial.user_attrs = {**trial.user_attrs, "result": result}  # which Optuna's cache holds
    file = trial_folder(queue.folder, trial.number) / "result.json"
    with contextlib.suppress(OSError, ValueError):
        told = json.loads(file.read_text(encoding="utf-8"))
        if told.get("checkpoint") is not None:
            write_json(file, {**told, "checkpoint": None})


def _entry(outcome: Outcome, metrics: list[str]) -> dict[str, Any]:
    entry = outcome.model_dump(mode="json", exclude={"error", "kind"})
    return {**entry, "values": {name: outcome.metrics[name] for name in metrics}} if len(metrics) > 1 else entry


def _max_epochs(outcome: Outcome, declared: dict[str, Any]) -> int:
    if "objective" in declared:
        return outcome.epochs  # how many steps a function would have reported is not known
    planned = int(outcome.params.get("max_epochs", declared["trainer"]["max_epochs"]))
    return max(planned, outcome.epochs)  # validations every n steps are counted as epochs, and are more


def _saved(outcomes: list[Outcome], declared: dict[str, Any], reason: str) -> int:
    stopped = [outcome for outcome in outcomes if outcome.stop_reason == reason]
    return sum(_max_epochs(outcome, declared) - outcome.epochs for outcome in stopped)
