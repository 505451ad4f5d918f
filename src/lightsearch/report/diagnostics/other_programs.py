"""A check for trials of other programs."""

from __future__ import annotations

from collections.abc import Iterator

from lightsearch.report.diagnostics.as_toml import as_toml
from lightsearch.report.diagnostics.finding import Finding
from lightsearch.report.diagnostics.study_view import StudyView


def find_other_programs(view: StudyView) -> Iterator[Finding]:
    """Trials that another program added to the study, and how to run the best of them here."""
    others = view.others
    if others is None:
        return
    hint, best = others.rule, others.best
    if best is not None and best.params and best.params.keys() <= view.distributions.keys():
        declaration = f"enqueue = [{as_toml(best.params)}]"
        hint += f" To have trial {best.number} run here, write `{declaration}`{view.in_new_study}."
    yield Finding("others", others.text(view.metric or "value"), hint)
