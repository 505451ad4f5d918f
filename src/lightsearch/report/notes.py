"""Notes for optuna-dashboard: why each trial ended, how good it was, and where more is to be found."""

from __future__ import annotations

import optuna

from lightsearch.compat.dashboard_notes import save_notes
from lightsearch.compat.optuna_trials import trial_id_of
from lightsearch.display.wording import counted
from lightsearch.outcome import Outcome
from lightsearch.paths import study_folder, trial_folder
from lightsearch.report.facts.endings import ending
from lightsearch.report.facts.row import Row, row_of
from lightsearch.report.readers import objectives_of
from lightsearch.study.origin import is_foreign

MOST = 1_000
"""Studies with more trials get none: Optuna reads the attributes of a study often, and the notes are among them."""


def leave_notes(study: optuna.Study) -> int:
    """Leaves a note with each trial that has ended and has none.

    Args:
        study: A study of lightsearch.

    Returns:
        How many were left.
    """
    trials = study.get_trials(deepcopy=False)
    if len(trials) > MOST:
        return 0
    ended = [trial for trial in trials if trial.state.is_finished() and not is_foreign(trial)]
    metric = objectives_of(study)[0][0]
    return save_notes(
        study, {trial_id_of(trial): note(study.study_name, metric, row_of(trial, foreign=False)) for trial in ended}
    )


def note(name: str, metric: str, row: Row) -> str:
    """The note of a trial, in Markdown.

    Args:
        name: The study's name.
        metric: The name of its first metric.
        row: The trial.
    """
    paragraphs = [ending(row)]
    if row.outcome is not None:
        paragraphs += _best(metric, row.outcome)
    folder = trial_folder(study_folder(name), row.number)
    if folder.is_dir():
        paragraphs.append(f"Its files are in `{folder}`; what it printed is in `log.txt` there.")
    page = f"reports/{name}/report.html#trial-{row.number}"
    paragraphs.append(f"`lightsearch report --study {name}` makes a page, which has it at `{page}`.")
    return "\n\n".join(paragraphs)


def _best(metric: str, outcome: Outcome) -> list[str]:
    if outcome.best_epoch is None or outcome.value is None:
        return []
    trained = counted(outcome.epochs, "epoch")
    return [f"Best {metric}: {outcome.value:.6g} at epoch {outcome.best_epoch + 1}, after {trained} in all."]
