"""The study's ``results.json``, and its record of searches."""

from __future__ import annotations

from collections import Counter
from typing import Any

from optuna.trial import FrozenTrial

from lightsearch.atomic_files import write_json
from lightsearch.outcome import EARLY_STOPPING, NOT_RESUMED, Kind, Outcome
from lightsearch.study import status, stop_rules
from lightsearch.study.leaders import leaders, pareto_front
from lightsearch.study.origin import others, outcome_of
from lightsearch.study.pareto import as_list
from lightsearch.study.racing import declared_runs
from lightsearch.study.trial_queue import TrialQueue
from lightsearch.study.widenings import widenings

LEADERS = 10
"""The number of leading trials in ``results.json``."""


def write_results(queue: TrialQueue) -> dict[str, Any]:
    """Writes ``studies/<name>/results.json`` from the storage, and returns its content."""
    results = summarise(queue.study.get_trials(deepcopy=False), queue.study.user_attrs, queue.study_file.name)
    write_json(queue.folder / "results.json", results)
    return results


def summarise(trials: list[FrozenTrial], attrs: dict[str, Any], name: str) -> dict[str, Any]:
    """Summarises a study as plain JSON, for a reader and for the evaluation on the test set.

    With several objectives, trials rank by the first one. There is a ``front``, and each entry has its ``values``.
    The best, the leaders and the front are lightsearch's own trials; ``other_programs`` says what else is in the study.

    Args:
        trials: All trials of the study.
        attrs: The study's user attributes.
        name: The study's name.
    """
    declared = attrs["fingerprint"]
    metrics, directions = as_list(declared["metric"]), as_list(declared["direction"])
    multi_objective = len(metrics) > 1
    ranked = leaders(trials, directions, LEADERS)
    front = pareto_front(trials, directions) if multi_objective else []
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
        **({"front": [_entry(outcome, metrics) for outcome in front]} if multi_objective else {}),
        "other_programs": foreign
        and {
            "trials": foreign.trials,
            "counted": foreign.counted,
            "best": foreign.best and {"number": foreign.best.number, "values": foreign.best.values},
        },
        "counts": {
            "states": Counter(trial.state.name.lower() for trial in trials),
            "kinds": Counter(str(outcome.kind) for outcome in outcomes),
            "status": status.count(trials),
        },
        "epochs": {
            "trained": epochs,
            "at_most": epochs_at_most,
            "trained_by_paused": sum(outcome.epochs for outcome in outcomes if outcome.kind is Kind.PAUSED),
            "saved_by_pruning": _saved(trained, declared, "pruned"),
            "saved_by_pausing": _saved(trained, declared, NOT_RESUMED),
            "saved_by_early_stopping": _saved(trained, declared, EARLY_STOPPING),
        },
        "seeds": {"study": declared["seed"], "split": declared["seed"]},
        "data": attrs["data"],
        "versions": attrs["versions"],
        "device": attrs["device"],
        "runs": runs,
        "wall_seconds": round(sum(run["seconds"] for run in runs), 1),
        "test_evaluations": len(attrs.get("test_evaluations", [])),
        "remaining_gain": None
        if multi_objective
        else stop_rules.as_json(stop_rules.estimate(stop_rules.rules_of(attrs), trials, declared["direction"])),
        "widened": widenings(attrs),
        "declaration": declared,
    }


def record_run(
    queue: TrialQueue, *, started_at: float, seconds: float, workers: int, packing: str | None, ending: str
) -> None:
    """Adds a search to the study's attribute ``runs``.

    Args:
        queue: The study.
        started_at: When it started, in seconds since 1970.
        seconds: Its wall time.
        workers: Trials at a time.
        packing: Whether trials train in packs, and why, in words; None: that was not in question.
        ending: An ``Ending``, or ``error``.
    """
    run = {"started": round(started_at, 3), "seconds": round(seconds, 3), "workers": workers, "ending": ending}
    run |= {} if packing is None else {"packing": packing}
    queue.study.set_user_attr("runs", [*queue.study.user_attrs.get("runs", []), run])


def _entry(outcome: Outcome, metrics: list[str]) -> dict[str, Any]:
    entry = outcome.model_dump(mode="json", exclude={"error", "kind"})
    return {**entry, "values": {name: outcome.metrics[name] for name in metrics}} if len(metrics) > 1 else entry


def _max_epochs(outcome: Outcome, declared: dict[str, Any]) -> int:
    if "objective" in declared:
        return outcome.epochs  # the number of steps that a function would have reported is unknown
    planned = int(outcome.params.get("max_epochs", declared["trainer"]["max_epochs"])) * declared_runs(declared)
    planned -= outcome.first_epoch
    return max(planned, outcome.epochs)  # each validation counts as an epoch, and there may be several in one


def _saved(outcomes: list[Outcome], declared: dict[str, Any], reason: str) -> int:
    stopped = [outcome for outcome in outcomes if outcome.stop_reason == reason]
    return sum(_max_epochs(outcome, declared) - outcome.epochs for outcome in stopped)
