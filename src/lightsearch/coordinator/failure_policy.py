"""When failures stop a search: the next trial would most likely fail too."""

from __future__ import annotations

import re
from collections import Counter

from lightsearch.outcome import POLICIES, Kind, Outcome, TrialError

ALIKE = 3
"""So many failures with one message in a row stop the search."""

IN_A_ROW = 10
"""So many failures in a row do, whatever they are."""


class SearchFailure(TrialError):
    """The failure that stopped a search."""

    reason: str
    """Why it did, in words."""


class FailurePolicy:
    """Counts the failures since the last trial that finished. Interrupted trials are none."""

    def __init__(self) -> None:
        self._kinds: Counter[Kind] = Counter()
        self._last = ""
        self._alike = 0

    def judge(self, outcome: Outcome, at_a_time: int) -> SearchFailure | None:
        """Takes note of how a trial ended.

        What depends on a trial's parameters (it diverges, or needs too much memory) ends early, while better trials
        still run beside it: so it takes ``IN_A_ROW`` of them for each trial that runs at a time.

        Args:
            outcome: The trial's end.
            at_a_time: How many trials run at a time.

        Returns:
            Why the search is to stop; None: it goes on.
        """
        policy = outcome.policy
        if policy.counts:
            self._kinds.clear()
            self._last, self._alike = "", 0
        if policy.counts or outcome.kind is Kind.INTERRUPTED:
            return None
        self._kinds[outcome.kind] += 1
        if policy.stops_search:
            words = _words(outcome)
            self._alike = self._alike + 1 if words == self._last else 1
            self._last = words
        reason = self._reason(outcome, at_a_time)
        error = outcome.error or TrialError(type=outcome.kind.title(), message=outcome.kind, traceback=outcome.kind)
        return SearchFailure(**error.model_dump(), reason=reason) if reason else None

    def _reason(self, outcome: Outcome, at_a_time: int) -> str | None:
        if outcome.error is not None and outcome.error.certain:
            return "every other trial would fail likewise"
        if outcome.policy.stops_search and self._alike >= ALIKE:
            return f"the same failure {self._alike} times in a row"
        of_the_code = sum(n for kind, n in self._kinds.items() if POLICIES[kind].stops_search)
        if of_the_code >= IN_A_ROW or self._kinds.total() >= IN_A_ROW * max(1, at_a_time):
            kinds = ", ".join(f"{n} {kind}" for kind, n in self._kinds.most_common())
            return f"{self._kinds.total()} failures and no finished trial in between ({kinds}); the last"
        return None


def _words(outcome: Outcome) -> str:
    """What a failure says, without the numbers and addresses that differ from trial to trial."""
    message = outcome.error.message if outcome.error else ""
    kind = outcome.error.type if outcome.error else ""
    return f"{outcome.kind} {kind} {re.sub(r'0x[0-9a-fA-F]+|[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?', '#', message)}"
