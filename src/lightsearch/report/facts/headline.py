"""The result of a study in a sentence."""

from __future__ import annotations

from typing import NamedTuple

from lightsearch.outcome import Outcome
from lightsearch.report.facts.facts import Facts
from lightsearch.study.lineage import schedule

OPTIMISM = "The best of many noisy measurements is partly luck; expect slightly worse values on fresh data."


class Headline(NamedTuple):
    """The result of a study."""

    sentence: str
    note: str
    """What a reader has to know with it: which trial it is, and how exact the value is."""


def headline(facts: Facts) -> Headline:
    """The result of a study in a sentence, with a note."""
    if facts.best is None:
        return Headline(f"No trial of {facts.name} is complete yet.", _why_none(facts))
    if facts.multi_objective:
        return _of_pareto_front(facts)
    many = f"{facts.n_finished:,} finished trials" if facts.n_finished > 1 else "1 finished trial"
    value = facts.show(facts.best.value)
    if facts.best.outcome is not None and facts.best.outcome.std is not None:
        value, note = _of_runs(facts, facts.best.outcome, facts.best.outcome.std)
    elif facts.error is not None:
        value += f" ± {100 * facts.error:.{facts.decimals}f}"
        note = f"Trial {facts.best.number}; ± is one binomial standard error on {facts.n_val:,} validation samples."
    elif facts.confirmed is not None:
        note = f"Trial {facts.best.number}."
    else:
        note = f"Trial {facts.best.number}; its uncertainty is not known: {_why_no_error(facts)}."
    if (changed := schedule([row.trial for row in facts.rows], facts.best.number)) is not None:
        note += f" Its parameters changed during the training: {changed}."
    if facts.confirmed is not None:
        note += f" On fresh seeds (confirm.md): {facts.confirmed}."
    elif len(facts.ranked) > 1:
        note += f" {OPTIMISM}"
    return Headline(f"The best of {many} reaches {facts.metric} {value}.", note)


def _of_runs(facts: Facts, best: Outcome, std: float) -> tuple[str, str]:
    """The best value where it is the mean over runs, and the note on it."""
    spread = f"{100 * std:.{facts.decimals}f}" if facts.is_share else f"{std:.2g}"
    runs = f"{len(best.run_values)} runs (see [validation])"
    note = f"Trial {best.number}; the value is the mean over {runs}, and ± is their standard deviation."
    return f"{facts.show(best.value)} ± {spread}", note


def _of_pareto_front(facts: Facts) -> Headline:
    front = facts.pareto_front
    spans = []
    for index, (name, _) in enumerate(facts.objectives):
        ordered = sorted(front, key=lambda row: row.values[index])
        low, high = (facts.show_all(row)[index] for row in (ordered[0], ordered[-1]))
        spans.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
    many = f"{len(front):,} of {len(facts.ranked):,} complete trials"
    sentence = f"The Pareto front has {many}: {', '.join(spans)}."
    if len(front) == 1:
        return Headline(sentence, f"Trial {front[0].number}; no other trial is better in any objective.")
    note = "A trial that is better than one of them in one objective is worse in another; the choice is yours."
    return Headline(sentence, f"{note} {OPTIMISM}")


def _why_none(facts: Facts) -> str:
    if not facts.rows:
        return "The study has no trials."
    words = ", ".join(f"{count} {group}" for group, count in facts.counts.items())
    text = f"Of {len(facts.rows)} trials: {words}."
    if facts.others is not None:
        return f"{text} {facts.others.text(facts.metric)} {facts.others.rule}"
    return f"{text} Without a complete trial there is no best one."


def _why_no_error(facts: Facts) -> str:
    if facts.of_function:
        return "it depends on what the function measures"
    if not facts.is_share:
        return "the metric is no accuracy, whose error would follow from the number of samples"
    return "the number of validation samples was not recorded"
