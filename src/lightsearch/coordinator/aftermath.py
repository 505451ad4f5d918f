"""What follows from the ends of trials, once they are recorded: files are tidied, the ends are shown and passed on."""

from __future__ import annotations

from collections.abc import Sequence

from lightsearch.coordinator.kept_checkpoints import KeptCheckpoints
from lightsearch.coordinator.trial_end import TrialEnd
from lightsearch.display.display import Display
from lightsearch.machine import leftovers
from lightsearch.outcome import NOT_RESUMED, Outcome
from lightsearch.storage.artifacts import Artifacts
from lightsearch.study.trial_queue import TrialQueue


class Aftermath:
    """Follows the trials of a search.

    Args:
        queue: The opened study.
        artifacts: Where the trials' files are besides or instead of the study's folder; None: nowhere else.
        display: Where the ends are shown.
        trial_end: Whom they are passed on to.
    """

    def __init__(self, queue: TrialQueue, artifacts: Artifacts | None, display: Display, trial_end: TrialEnd) -> None:
        self._queue = queue
        self._display = display
        self._trial_end = trial_end
        self._checkpoints = KeptCheckpoints(queue, artifacts)

    def of_earlier(self) -> None:
        """Removes what killed processes of earlier searches left, and finds their checkpoints."""
        trials = self._queue.study.get_trials(deepcopy=False)
        finished = {trial.number for trial in trials if trial.state.is_finished()}
        leftovers.sweep(self._queue.folder, finished)
        leftovers.sweep_sockets()
        self._checkpoints.add_earlier(finished)

    def of(self, ended: Sequence[Outcome]) -> None:
        """Tidies, shows and passes on trials whose ends are recorded.

        Args:
            ended: Their outcomes. Those that were not resumed are shown together.
        """
        if not ended:
            return
        leftovers.sweep(self._queue.folder, [outcome.number for outcome in ended])
        trials = self._queue.study.get_trials(deepcopy=False)
        for outcome in ended:
            self._checkpoints.add(outcome.number)
        self._checkpoints.delete_others(trials)
        if left := [outcome for outcome in ended if outcome.stop_reason == NOT_RESUMED]:
            self._display.not_resumed(left, trials)
        for outcome in ended:
            if outcome.stop_reason != NOT_RESUMED:
                self._display.finished(outcome.model_copy(update={"params": trials[outcome.number].params}), trials)
            self._trial_end(self._queue.study, trials[outcome.number])
