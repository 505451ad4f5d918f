"""A note on what further trials may gain, if the study stops by itself when that is little."""

from __future__ import annotations

from collections.abc import Iterator

from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import StudyView
from lightsearch.study import stop_rules


def find_further_gain(view: StudyView) -> Iterator[Finding]:
    """The estimate that ``stop.min_gain`` is compared with."""
    rules = stop_rules.rules_of(view.attrs)
    gain = stop_rules.estimate(rules, view.trials, view.directions[0])
    if gain is None or rules.min_gain is None:
        return
    words = stop_rules.describe(gain)
    yield Finding(
        "further-gain",
        f"Over the best value so far, {gain.best:.5g}, {words}, if they are like the last {gain.horizon}.",
        f"The search stops by itself below `min_gain = {rules.min_gain:g}` in [stop].",
    )
