"""When failures stop a search, because the next trial would most likely fail too."""

from __future__ import annotations

import re
from collections import Counter

from lightsearch.outcome import POLICIES, Kind, Outcome, TrialError

MAX_ALIKE = 3
"""This many failures in a row with the same message stop the search."""

MAX_IN_A_ROW = 10
"""This many failures in a row stop the search, whatever their messages."""

NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?")
"""A number or an address in a message; it differs from trial to trial."""


class SearchFailure(TrialError):
    """The failure that stopped a search."""

    reason: str
    """Why the search stopped, in words."""


class FailurePolicy:
    """Counts the failures since a trial last finished, or paused after more epochs than those that failed have trained.

    To be interrupted or withdrawn is no failure.
    """

    def __init__(self) -> None:
        self._epochs = 0
        """The most epochs that one of the failed trials has trained."""
        self._kinds: Counter[Kind] = Counter()
        self._last_message = ""
        self._alike = 0

    def judge(self, outcome: Outcome, at_a_time: int) -> SearchFailure | None:
        """Counts how a trial ended, and decides whether the search stops.

        A failure that depends on the trial's parameters (divergence, too little memory) comes early in a trial, while
        better trials still run beside it. So ``MAX_IN_A_ROW`` of them per running trial are needed.

        Args:
            outcome: How the trial ended.
            at_a_time: The number of trials that run at a time.

        Returns:
            Why the search stops; None: it continues.
        """
        policy = outcome.policy
        if policy.counts or (outcome.kind is Kind.PAUSED and outcome.epochs > self._epochs):
            self._epochs = 0
            self._kinds.clear()
            self._last_message, self._alike = "", 0
        if policy.counts or outcome.kind in (Kind.PAUSED, Kind.INTERRUPTED, Kind.WITHDRAWN):
            return None
        self._epochs = max(self._epochs, outcome.epochs)
        self._kinds[outcome.kind] += 1
        if policy.stops_search:
            message = _comparable_message(outcome)
            self._alike = self._alike + 1 if message == self._last_message else 1
            self._last_message = message
        reason = self._reason(outcome, at_a_time)
        error = outcome.error or TrialError(type=outcome.kind.title(), message=outcome.kind, traceback=outcome.kind)
        return SearchFailure(**error.model_dump(), reason=reason) if reason else None

    def _reason(self, outcome: Outcome, at_a_time: int) -> str | None:
        if outcome.error is not None and outcome.error.hits_every_trial:
            return "every other trial would fail likewise"
        if outcome.policy.stops_search and self._alike >= MAX_ALIKE:
            return f"the same failure {self._alike} times in a row"
        of_the_code = sum(n for kind, n in self._kinds.items() if POLICIES[kind].stops_search)
        if of_the_code >= MAX_IN_A_ROW or self._kinds.total() >= MAX_IN_A_ROW * max(1, at_a_time):
            kinds = ", ".join(f"{n} {kind}" for kind, n in self._kinds.most_common())
            return f"{self._kinds.total()} failures and no finished trial in between ({kinds})"
        return None


def _comparable_message(outcome: Outcome) -> str:
    """Returns a failure's kind, type and message, with ``#`` for each number and address."""
    error_type = outcome.error.type if outcome.error else ""
    message = outcome.error.message if outcome.error else ""
    return f"{outcome.kind} {error_type} {NUMBER.sub('#', message)}"
