"""Trials that begin from another trial's checkpoint: the file is kept for them, and those that they replace end.

The order makes every step repeatable. The parent's checkpoint gets a second name before the trial is created, since the
parent may train on. Then the trial is created, with its parent's and its predecessor's numbers. Whatever is missing
then, because a process was killed, the next coordinator does: the trial gets its file, and its predecessor ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from lightsearch.atomic_files import second_name
from lightsearch.outcome import REPLACED, Outcome
from lightsearch.paths import LAST, PARENT, trial_folder
from lightsearch.study.lineage import start_of
from lightsearch.study.schedulers import Start
from lightsearch.study.status import is_paused


def keep(folder: Path, start: Start) -> None:
    """Keeps the last checkpoint of a paused trial, which is to be a parent. The caller holds the study's lock.

    Args:
        folder: The study's folder.
        start: Where the new trial begins.

    Raises:
        ResourceUnavailable: if there is no such file, or none can be written.
    """
    parent = trial_folder(folder, start.parent)
    second_name(parent / LAST, _kept(folder, start))


def hand_over_all(folder: Path, trials: Sequence[FrozenTrial]) -> None:
    """Gives the trials their parents' checkpoints that have not got them, and deletes what was kept for them.

    If a file is gone, as when someone has deleted it, the trial says so when it begins. The caller holds the study's
    lock.

    Args:
        folder: The study's folder.
        trials: All trials of the study.

    Raises:
        ResourceUnavailable: if a file cannot be written.
    """
    starts = [(one, start) for one in trials if (start := start_of(one.user_attrs)) is not None]
    for file in {_kept(folder, start) for _, start in starts}:
        if file.exists():
            for one, start in starts:
                if _kept(folder, start) == file and not one.state.is_finished():
                    second_name(file, trial_folder(folder, one.number) / PARENT)
            file.unlink()


def parents_needed(folder: Path, trials: Sequence[FrozenTrial]) -> set[int]:
    """The trials whose checkpoints are kept for others, which have not got them yet.

    Args:
        folder: The study's folder.
        trials: All trials of the study.
    """
    starts = [(trial, start_of(trial.user_attrs)) for trial in trials if not trial.state.is_finished()]
    return {
        start.parent
        for trial, start in starts
        if start is not None and not (trial_folder(folder, trial.number) / PARENT).exists()
    }


def complete(folder: Path, trials: Sequence[FrozenTrial], end: Callable[[FrozenTrial, str], Outcome]) -> list[Outcome]:
    """Gives trials the checkpoints that they begin from, and ends those that they replace.

    Args:
        folder: The study's folder.
        trials: All trials of the study.
        end: Ends a paused trial for a reason.

    Returns:
        The outcomes of the trials that have ended.
    """
    hand_over_all(folder, trials)
    return [end(trial, f"{REPLACED}{parent}") for trial, parent in replaced(trials)]


def replaced(trials: Sequence[FrozenTrial]) -> list[tuple[FrozenTrial, int]]:
    """The paused trials whose place another trial has taken, each with the number of that one's parent."""
    parents = {start.replaces: start.parent for one in trials if (start := start_of(one.user_attrs)) is not None}
    return [(trial, parents[trial.number]) for trial in trials if trial.number in parents and is_paused(trial)]


def _kept(folder: Path, start: Start) -> Path:
    return trial_folder(folder, start.parent) / f"after-{start.epochs}.ckpt"
