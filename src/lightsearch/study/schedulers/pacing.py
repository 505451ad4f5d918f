"""When a new trial may begin.

Of many workers' trials most run, so that few are left to continue, and a new one would begin for every worker that is
free. All trials of a study would then have begun before the model of curves knows anything, and none would be left for
what it proposes. So the later ones wait until the study has trained for a while.
"""

from __future__ import annotations

from collections.abc import Sequence

from lightsearch.study.schedulers import Curve, Progress

AT_ONCE = 1 / 3
"""The share of a study's trials that may begin at any time."""

PER_TRAINING = 6
"""So many trials may have begun for each whole training's worth of epochs. With one worker, where the model chooses
freely among all trials, 50 trials have begun after 7 to 12 whole trainings, on tasks of LCBench and on the digits."""


def epochs_spent(curves: Sequence[Curve]) -> int:
    """The epochs of all trials, those that running ones train until they pause included."""
    return sum(one.due for one in curves)


def may_begin(curves: Sequence[Curve], n_new: int, max_epochs: int) -> bool:
    """Whether a new trial may begin. One may if no other can train, and, as with one worker, if no other does.

    Args:
        curves: The trials of the study that have begun.
        n_new: The number of trials that have not.
        max_epochs: Epochs of a whole training.
    """
    where = {one.progress for one in curves}
    if not {Progress.PAUSED, Progress.RUNNING} <= where:
        return True
    begun = len(curves)
    return begun < AT_ONCE * (begun + n_new) or begun * max_epochs < PER_TRAINING * epochs_spent(curves)
