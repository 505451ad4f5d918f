"""One row per trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from lightsearch.outcome import Kind, Outcome
from lightsearch.report.readers import distributions_of, objectives_of, utc_times, value_of
from lightsearch.report.tables.columns import (
    category_column,
    float_column,
    integer_column,
    parameter_column,
    string_column,
    time_column,
)
from lightsearch.study.epoch_values import curve_of
from lightsearch.study.lineage import schedule, start_of
from lightsearch.study.origin import outcome_of
from lightsearch.study.scheduling import describe_decisions, is_scheduled, until_of

if TYPE_CHECKING:
    import optuna
    import pandas as pd


def trial_table(study: optuna.Study) -> pd.DataFrame:
    """One row per trial, ordered by number. Trials of other programs are included, with what is known of them.

    Columns:
        number: int64.
        state: category, Optuna's state in lower case. A paused trial is waiting, and its kind is paused; one that was
            not resumed is pruned, and its stop_reason is not_resumed.
        kind: category, how the trial ended (see ``lightsearch.outcome.Kind``); missing for an ended trial of another
            program.
        value: float64, the metric of the best epoch; for a running or interrupted trial the last reported value. With
            several objectives, the first.
        values_NAME: float64, each objective, if there are several; missing if the trial is not complete.
        best_epoch, epochs: Int64, the best epoch (from 0), and the number of epochs trained.
        std: float64, if the study has [validation]: the standard deviation over the runs whose mean ``value`` is.
        runs: Int64, the same: the number of these runs.
        stop_reason: category, why training ended.
        seconds: float64, wall time of the trial's workers.
        cpu_seconds: float64, processor time of the trial's process; missing if it trained in a pack.
        memory_mb: float64, the most memory that the process had in RAM; in a pack, that of all members.
        gpu_memory_mb: float64, if there was a GPU: the most that PyTorch had allocated there.
        until, decisions: Int64 and str, if the study's trials pause: the number of epochs after which the trial pauses
            or has paused last, and each decision of the scheduler, as ``AFTER-UNTIL reason``, in epochs.
        parent, parent_epochs, generation, schedule: Int64 and str, if trials of the study began from checkpoints of
            others: the other trial, the epochs that it had trained, how many trials there were before, and which
            parameters trained which epochs.
        params_NAME: Int64 or float64 for numbers, boolean, category for strings (all choices of the space are
            categories, in their order).
        metrics_NAME: float64, every metric logged in the best epoch.
        seed: Int64.
        started, ended: datetime64[us, UTC]; of a trial that was not resumed, the end of its last epoch.
        attempt: Int64, the number of times the trial was started or continued.
        device: category. checkpoint, sha256, error_type, error_message: str.

    Args:
        study: Any Optuna study.
    """
    import pandas as pd

    trials = study.get_trials(deepcopy=False)
    outcomes = [outcome_of(trial) for trial in trials]
    columns: dict[str, Any] = {
        "number": pd.array([trial.number for trial in trials], dtype="int64"),
        **_ending(trials, outcomes),
        **_objectives(study, trials),
        **_training(trials, outcomes),
        **_parameters(trials),
        **_metrics(outcomes),
        **_run(trials, outcomes),
        **_files_and_error(outcomes),
    }
    return pd.DataFrame(columns)


def _ending(trials: list[FrozenTrial], outcomes: list[Outcome | None]) -> dict[str, Any]:
    states = [trial.state.name.lower() for trial in trials]
    kinds = [str(outcome.kind) if outcome else None for outcome in outcomes]
    return {
        "state": category_column(list(states), [state.name.lower() for state in TrialState]),
        "kind": category_column(kinds, [str(kind) for kind in Kind]),
        "value": float_column([value_of(trial, outcome) for trial, outcome in zip(trials, outcomes, strict=True)]),
    }


def _objectives(study: optuna.Study, trials: list[FrozenTrial]) -> dict[str, Any]:
    """One column per objective; none for a single objective, which ``value`` holds."""
    names = [name for name, _ in objectives_of(study)]
    if len(names) == 1:
        return {}
    values = [trial.values if trial.state is TrialState.COMPLETE else None for trial in trials]
    return {f"values_{name}": float_column([one and one[index] for one in values]) for index, name in enumerate(names)}


def _training(trials: list[FrozenTrial], outcomes: list[Outcome | None]) -> dict[str, Any]:
    epochs = [
        outcome.epochs if outcome else len(curve_of(trial)) or None
        for trial, outcome in zip(trials, outcomes, strict=True)
    ]
    return {
        **_runs(outcomes),
        "best_epoch": integer_column(_recorded(outcomes, "best_epoch")),
        "epochs": integer_column(epochs),
        "stop_reason": category_column([reason or None for reason in _recorded(outcomes, "stop_reason")]),
        "seconds": float_column(_recorded(outcomes, "seconds")),
        **_usage(outcomes),
        **_decisions(trials),
    }


def _usage(outcomes: list[Outcome | None]) -> dict[str, Any]:
    names = ["cpu_seconds", "memory_mb"]
    if any(outcome and outcome.gpu_memory_mb is not None for outcome in outcomes):
        names.append("gpu_memory_mb")
    return {name: float_column(_recorded(outcomes, name)) for name in names}


def _runs(outcomes: list[Outcome | None]) -> dict[str, Any]:
    """The runs of each trial; nothing for a study without ``[validation]``."""
    runs = [len(outcome.run_values) or None if outcome else None for outcome in outcomes]
    if not any(runs):
        return {}
    return {"std": float_column(_recorded(outcomes, "std")), "runs": integer_column(runs)}


def _decisions(trials: list[FrozenTrial]) -> dict[str, Any]:
    """What the scheduler decided; nothing for a study without one."""
    if not is_scheduled(trials):
        return {}
    return {
        "until": integer_column([until_of(trial.user_attrs) for trial in trials]),
        "decisions": string_column([describe_decisions(trial) or None for trial in trials]),
        **_starts(trials),
    }


def _starts(trials: list[FrozenTrial]) -> dict[str, Any]:
    """Where trials began that went on from checkpoints of others; nothing for a study without such trials."""
    starts = [start_of(trial.user_attrs) for trial in trials]
    if not any(starts):
        return {}
    return {
        "parent": integer_column([start and start.parent for start in starts]),
        "parent_epochs": integer_column([start and start.epochs for start in starts]),
        "generation": integer_column([start and start.generation for start in starts]),
        "schedule": string_column([schedule(trials, trial.number) for trial in trials]),
    }


def _parameters(trials: list[FrozenTrial]) -> dict[str, Any]:
    return {
        f"params_{name}": parameter_column([trial.params.get(name) for trial in trials], distributions)
        for name, distributions in distributions_of(trials).items()
    }


def _metrics(outcomes: list[Outcome | None]) -> dict[str, Any]:
    metrics = [outcome.metrics if outcome else {} for outcome in outcomes]
    names = dict.fromkeys(name for logged in metrics for name in logged)
    return {f"metrics_{name}": float_column([logged.get(name) for logged in metrics]) for name in names}


def _run(trials: list[FrozenTrial], outcomes: list[Outcome | None]) -> dict[str, Any]:
    times = [utc_times(trial) for trial in trials]
    return {
        "seed": integer_column(_recorded(outcomes, "seed")),
        "started": time_column([started for started, _ in times]),
        "ended": time_column([ended for _, ended in times]),
        "attempt": integer_column([trial.user_attrs.get("attempt") for trial in trials]),
        "device": category_column([device or None for device in _recorded(outcomes, "device")]),
    }


def _files_and_error(outcomes: list[Outcome | None]) -> dict[str, Any]:
    errors = _recorded(outcomes, "error")
    return {
        "checkpoint": string_column(_recorded(outcomes, "checkpoint")),
        "sha256": string_column(_recorded(outcomes, "sha256")),
        "error_type": string_column([error and error.type for error in errors]),
        "error_message": string_column([error and error.message for error in errors]),
    }


def _recorded(outcomes: list[Outcome | None], field: str) -> list[Any]:
    return [getattr(outcome, field) if outcome else None for outcome in outcomes]
