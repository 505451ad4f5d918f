"""What a study's trials say about the search itself: one sentence with the figure, and the exact mend.

Quick, and without pandas or torch, so that every command can end with it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from lightsearch import pareto
from lightsearch.origin import Others, may_lead, others, outcome_of
from lightsearch.outcome import Kind, Outcome
from lightsearch.tables import distributions_of, value_of

if TYPE_CHECKING:
    import optuna

MIN_TRIALS = 10
"""Complete trials without which the doctor says nothing about bounds and epochs."""
MIN_TRIALS_FOR_EFFECT = 30
"""Trials without which a parameter that shows no effect may just not have shown it yet."""
EDGE = 0.05
"""The outer part of a range, on the scale it is sampled on, that counts as its bound."""
LEADING = 0.1
"""The best tenth of the trials leads, and five trials at least."""
MIN_LEADERS = 5
MANY_FAILURES = 3
MANY_FAILURES_SHARE = 0.05
SEPARATES = 0.85
"""A parameter tells failed trials from good ones if this share of all pairs of them is in one order (AUC)."""
RETRAIN_AT_MOST = 5


@dataclass(frozen=True)
class Finding:
    """One thing that the next search, or the reading of this one, should take into account."""

    code: str
    """``others``, ``failures``, ``bound``, ``noise``, ``max-epochs``, ``pruner``, ``exhausted``, ``duplicates``,
    ``no-effect``."""
    text: str
    """The finding in a sentence, with the figure."""
    mend: str
    """What to write or to type; the exact words stand between backticks."""

    def __str__(self) -> str:
        return f"{self.text} {self.mend}"


def diagnose(study: optuna.Study) -> list[Finding]:
    """Examines a study, finished or not; what it needs and does not find it passes over.

    Args:
        study: Any Optuna study. Of several objectives none is the one by which trials lead or parameters have an
            effect: what asks for that is left out.
    """
    case = _Case(study)
    examinations: list[Callable[[_Case], Iterator[Finding]]] = [_others, _failures, _repetitions]
    if len(study.directions) == 1:
        examinations = [_others, _failures, _bounds, _noise, _max_epochs, _pruner, _repetitions, _no_effect]
    return [finding for examine in examinations for finding in examine(case)]


def standard_error(metric: str | None, value: float | None, n_val: object) -> float | None:
    """The binomial standard error of an accuracy measured on ``n_val`` samples.

    Returns:
        None if the metric is not named as an accuracy, is outside [0, 1], or the number of samples is unknown.
    """
    if not metric or "acc" not in metric.lower() or value is None or not 0 <= value <= 1:
        return None
    if not isinstance(n_val, int) or n_val < 1:
        return None
    # All right, or all wrong, is not known without error: half a sample is taken to be otherwise.
    p = min(max(value, 0.5 / n_val), 1 - 0.5 / n_val)
    return math.sqrt(p * (1 - p) / n_val)


def validated_on(attrs: dict[str, Any], outcome: Outcome | None) -> int | None:
    """How many samples a trial was validated on: as the data says of itself, else as the trial saw it."""
    said = table(attrs.get("data")).get("n_val")
    if isinstance(said, int):
        return said
    return outcome.n_val if outcome is not None else None


def table(value: object) -> dict[str, Any]:
    """A table as it is stored with a study; empty if another program stored something else under its name."""
    return value if isinstance(value, dict) else {}


class _Case:
    """A study as the examinations look at it."""

    def __init__(self, study: optuna.Study) -> None:
        self.name = study.study_name
        self.attrs = study.user_attrs
        self.directions = ["minimize" if one.name == "MINIMIZE" else "maximize" for one in study.directions]
        self.sign = -1.0 if self.directions[0] == "minimize" else 1.0
        everyone = study.get_trials(deepcopy=False)
        self.trials = may_lead(everyone, self.attrs)
        self.others: Others | None = others(everyone, self.attrs, self.directions)
        self.declared = table(self.attrs.get("fingerprint"))
        metric = self.attrs.get("metric")
        self.metric = metric if isinstance(metric, str) else None
        self.outcomes: dict[int, Outcome] = {
            trial.number: outcome for trial in self.trials if (outcome := outcome_of(trial))
        }

    @cached_property
    def complete(self) -> list[FrozenTrial]:
        """The complete trials with finite values, the best first; of equals the earlier."""
        return pareto.ranked(self.trials, self.directions)

    @cached_property
    def leaders(self) -> list[FrozenTrial]:
        return self.complete[: max(MIN_LEADERS, round(LEADING * len(self.complete)))]

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters that every trial samples from the same."""
        return {name: found[0] for name, found in distributions_of(self.trials).items() if len(found) == 1}

    def score(self, trial: FrozenTrial) -> float:
        """The trial's value, turned so that more is better; minus infinity if it has none."""
        value = value_of(trial, self.outcomes.get(trial.number))
        return -math.inf if value is None else self.sign * value

    def section(self, name: str) -> tuple[str, str]:
        """The section of the study file that has a parameter, with the argument's name in it."""
        for section, parameters in table(self.declared.get("space")).items():
            for argument in table(parameters):
                if name in (argument, f"{section}.{argument}"):
                    return section, argument
        return "", name

    @cached_property
    def max_epochs(self) -> int | None:
        """Epochs that a trial trains at most, by the study file; of a function what any trial has reported."""
        if self.of_function:
            return max((len(trial.intermediate_values) for trial in self.trials), default=0)
        declared = table(self.declared.get("trainer")).get("max_epochs")
        return declared if isinstance(declared, int) else None

    @property
    def of_function(self) -> bool:
        """Whether a function of a trial takes the place of model, data and space."""
        return "objective" in self.declared

    def space_line(self, name: str, declared: str) -> str:
        """The words that change a parameter's declaration. The old trials stay what they are: another study."""
        if self.of_function:
            return f"have the function suggest {name} from `{declared}`{self.renamed}"
        section, argument = self.section(name)
        place = f" in [space.{section}]" if section else ""
        return f"write `{argument} = {{ {declared} }}`{place}{self.renamed}"

    @property
    def renamed(self) -> str:
        return f" and run it under a new name, `--name {self.name}-2`"

    @property
    def confirmed(self) -> str:
        """The words that have the leaders trained again; of a function there is nothing to train."""
        return "" if self.of_function else f", or confirm the leaders: `python -m search.retrain --study {self.name}`"


def _others(case: _Case) -> Iterator[Finding]:
    found = case.others
    if found is None:
        return
    mend, best = found.rule, found.best
    if best is not None and best.params and best.params.keys() <= case.distributions.keys():
        mend += f" To have trial {best.number} run here, write `enqueue = [{_inline(best.params)}]`{case.renamed}."
    yield Finding("others", found.text(case.metric or "value"), mend)


def _failures(case: _Case) -> Iterator[Finding]:
    kinds = Counter(outcome.kind for outcome in case.outcomes.values() if not outcome.policy.counts)
    for kind, count in kinds.most_common():
        if count < MANY_FAILURES or count < MANY_FAILURES_SHARE * len(case.outcomes):
            continue
        text = f"{count:,} of {len(case.outcomes):,} trials ended as {kind}"
        mend = _separating_bound(case, kind)
        if mend is not None:
            yield Finding("failures", f"{text}, {mend[0]}.", f"{mend[1]}.")
            continue
        advice = {
            Kind.DIVERGED: "Leave the values that diverge out of the function's ranges, under a new name."
            if case.of_function
            else "Clip the gradients: `gradient_clip_val = 1.0` in [trainer], under a new name.",
            Kind.OUT_OF_MEMORY: "Run fewer trials at a time, `--workers 1`, or lower the largest batch size.",
            Kind.TIMEOUT: "Give each trial twice the time, `--trial-timeout`, or fewer epochs"
            + ("." if case.of_function else ", `max_epochs`."),
            Kind.CRASHED: "See the error in this process: run again with `--workers 0`.",
        }.get(kind, "See the error in this process: run again with `--workers 0`.")
        errors = Counter(
            f"{outcome.error.type}: {outcome.error.message}"
            for outcome in case.outcomes.values()
            if outcome.kind is kind and outcome.error
        )
        most = f', most often with "{errors.most_common(1)[0][0][:120]}"' if errors else ""
        yield Finding("failures", f"{text}{most}.", advice)


def _separating_bound(case: _Case, kind: Kind) -> tuple[str, str] | None:
    """The parameter whose large, or small, values go with a kind of failure, and the bound without them."""
    best: tuple[float, str, IntDistribution | FloatDistribution] | None = None
    for name, distribution in case.distributions.items():
        if not isinstance(distribution, IntDistribution | FloatDistribution):
            continue
        failed = [t.params[name] for t in case.trials if name in t.params and _kind(case, t) is kind]
        good = [t.params[name] for t in case.complete if name in t.params]
        if len(failed) < MANY_FAILURES or len(good) < MIN_TRIALS:
            continue
        pairs = np.subtract.outer(np.array(failed, float), np.array(good, float))
        above = float((pairs > 0).mean() + (pairs == 0).mean() / 2)
        if max(above, 1 - above) > max(SEPARATES, best[0] if best else 0):
            best = (max(above, 1 - above), name, distribution)
    if best is None:
        return None
    _, name, distribution = best
    failed = sorted(t.params[name] for t in case.trials if name in t.params and _kind(case, t) is kind)
    winner = case.complete[0].params[name]
    upper = failed[len(failed) // 2] > winner
    # All but a tenth of the failures lie beyond it, and the best trial does not.
    bound = failed[len(failed) // 10] if upper else failed[-1 - len(failed) // 10]
    rounded = round(bound) if isinstance(distribution, IntDistribution) else float(f"{bound:.2g}")
    bound = max(rounded, winner) if upper else min(rounded, winner)
    low, high = (distribution.low, bound) if upper else (bound, distribution.high)
    word = "above" if upper else "below"
    beyond = sum(value > bound if upper else value < bound for value in failed)
    if low >= high or not beyond:
        return None
    return f"{beyond} of them with {name} {word} {bound:g}", "To leave those out, " + case.space_line(
        name, _declaration(distribution, low, high)
    )


def _bounds(case: _Case) -> Iterator[Finding]:
    if len(case.complete) < MIN_TRIALS:
        return
    best = case.complete[0]
    for name, distribution in case.distributions.items():
        if name not in best.params:
            continue
        places = [_place(trial.params[name], distribution) for trial in case.leaders if name in trial.params]
        here = _place(best.params[name], distribution)
        if here is None or EDGE < here < 1 - EDGE:
            continue
        at_edge = sum(place is not None and (place >= 1 - EDGE if here > 0.5 else place <= EDGE) for place in places)
        # Of a few choices one is an end soon; the leaders must agree on it.
        few = isinstance(distribution, CategoricalDistribution) or (
            isinstance(distribution, IntDistribution) and distribution.high - distribution.low < 1 / EDGE
        )
        wider = _wider(distribution, upper=here > 0.5)
        if wider is None or at_edge <= len(places) * (0.5 if few else 2 * EDGE):
            continue
        end = "upper" if here > 0.5 else "lower"
        bound = _ends(distribution)[here > 0.5]
        yield Finding(
            "bound",
            f"The best trial's {name} = {best.params[name]:.4g} is at the {end} bound of the space, {bound:g}; "
            f"{at_edge} of the {len(places)} leading trials {'is' if at_edge == 1 else 'are'} there.",
            f"To search beyond it, {case.space_line(name, wider)}.",
        )


def _noise(case: _Case) -> Iterator[Finding]:
    if len(case.complete) < 2:
        return
    n_val = validated_on(case.attrs, case.outcomes.get(case.complete[0].number))
    best = case.score(case.complete[0])
    error = standard_error(case.metric, case.sign * best, n_val)
    if error is None:
        return
    near = sum(best - case.score(trial) <= error for trial in case.complete)
    if near > 1:
        yield Finding(
            "noise",
            f"The first {near:,} of {len(case.complete):,} complete trials lie within one standard error of the best "
            f"({100 * error:.2f} points on {n_val:,} validation samples): their order is partly luck.",
            f"Confirm them on fresh seeds: `python -m search.retrain --study {case.name} "
            f"--top {min(near, RETRAIN_AT_MOST)}`.",
        )


def _max_epochs(case: _Case) -> Iterator[Finding]:
    max_epochs = case.max_epochs
    if case.of_function or len(case.complete) < MIN_TRIALS or max_epochs is None or "max_epochs" in case.distributions:
        return
    cut = [
        trial.number
        for trial in case.complete
        if (outcome := case.outcomes.get(trial.number))
        and outcome.stop_reason == "max_epochs"
        and outcome.best_epoch == outcome.epochs - 1
    ]
    best = case.complete[0].number in cut
    if best or len(cut) >= max(MANY_FAILURES, len(case.complete) / 4):
        among = ", the best among them," if best else ""
        yield Finding(
            "max-epochs",
            f"{len(cut):,} of {len(case.complete):,} complete trials{among} had their best epoch last when "
            f"max_epochs = {max_epochs} ended them.",
            f"To let them go on, write `max_epochs = {2 * max_epochs}` in [trainer]{case.renamed}.",
        )


def _pruner(case: _Case) -> Iterator[Finding]:
    pruned = [t for t in case.trials if t.state is TrialState.PRUNED and t.intermediate_values]
    if not case.complete or not pruned:
        return
    winner = case.complete[0]
    ahead = []
    for trial in pruned:
        last = max(trial.intermediate_values)
        its, winners = (_best_until(case, t, last) for t in (trial, winner))
        if its > winners > -math.inf:
            ahead.append(last)
    if len(ahead) < max(1, MANY_FAILURES_SHARE * len(pruned)):
        return
    warmup = max(ahead) + 1
    max_epochs = case.max_epochs or 0
    spec = table(table(case.attrs.get("search")).get("pruner"))
    name, arguments = spec.get("name", "MedianPruner"), spec.get("init_args", {})
    if name in ("MedianPruner", "PercentilePruner") and warmup <= max_epochs / 2:
        line = _inline({**arguments, "n_warmup_steps": warmup})
        mend = f"Prune later: write `init_args = {line}` in [pruner]."
    else:
        line = _inline({"percentile": 75.0, "n_startup_trials": 10, "n_warmup_steps": min(warmup, max_epochs // 4)})
        mend = f'Prune the worst quarter only: write `name = "PercentilePruner"` and `init_args = {line}` in [pruner].'
    yield Finding(
        "pruner",
        f"{len(ahead):,} of {len(pruned):,} pruned trials were ahead of the eventual winner, trial {winner.number}, "
        f"at the epoch in which they were stopped (the latest: epoch {max(ahead)}).",
        mend,
    )


def _repetitions(case: _Case) -> Iterator[Finding]:
    finished = [t for t in case.trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED) and t.params]
    points = {tuple(sorted((name, str(value)) for name, value in trial.params.items())) for trial in finished}
    sizes = [_size(distribution) for distribution in case.distributions.values()]
    size = math.prod(sizes) if sizes else math.inf
    if not finished:
        return
    if len(points) >= size:
        yield Finding(
            "exhausted",
            f"All {size:.0f} points of the space have been tried, in {len(finished)} trials.",
            f"Widen the space{case.renamed}{case.confirmed}.",
        )
    elif len(points) < len(finished):
        mend = 'Let no point be visited twice: write `name = "BruteForceSampler"` in [sampler], without init_args.'
        if size == math.inf:
            mend = f"Widen the space{case.renamed}: the sampler has little left to propose."
        yield Finding(
            "duplicates",
            f"{len(finished) - len(points):,} of {len(finished):,} finished trials repeat an earlier one's parameters.",
            mend,
        )


def _no_effect(case: _Case) -> Iterator[Finding]:
    scored = [trial for trial in case.trials if case.score(trial) > -math.inf and case.score(trial) < math.inf]
    scored = [trial for trial in scored if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    if len(scored) < MIN_TRIALS_FOR_EFFECT or len(case.distributions) < 2 or not case.complete:
        return
    for name, distribution in case.distributions.items():
        having = [trial for trial in scored if name in trial.params]
        explained, by_chance = _explained(
            [t.params[name] for t in having], [case.score(t) for t in having], distribution
        )
        if len(having) < MIN_TRIALS_FOR_EFFECT or explained is None or explained > by_chance:
            continue
        section, argument = case.section(name)
        value = case.complete[0].params.get(name)
        place = {"trainer": "[trainer]"}.get(section, f"init_args of [{section}]" if section else "the model")
        mend = f"take it out of [space.{section or '...'}] and write `{argument} = {_toml(value)}` in {place}"
        if case.of_function:
            mend = f"write `{name} = {_toml(value)}` in the function"
        yield Finding(
            "no-effect",
            f"{name} shows no effect of its own: it explains {explained:.1%} of the differences in rank between "
            f"{len(having):,} trials, and chance alone explains {by_chance:.1%} on average.",
            f"Fix it: {mend}{case.renamed}.",
        )


def _explained(params: list[Any], scores: list[float], distribution: BaseDistribution) -> tuple[float | None, float]:
    """The share of the ranks' variance that a parameter explains by itself (eta squared), and what chance would.

    Numbers are cut into five groups of about equal size, as in the Kruskal-Wallis test; choices are groups.
    """
    if len(params) < MIN_TRIALS_FOR_EFFECT:
        return None, 0.0
    ordered = np.sort(np.array(scores, float))
    ranks = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / 2
    if isinstance(distribution, CategoricalDistribution):
        groups = np.unique([str(value) for value in params], return_inverse=True)[1]
    else:
        numbers = np.array(params, float)
        edges = np.unique(np.quantile(numbers, [0.2, 0.4, 0.6, 0.8]))
        groups = np.unique(np.searchsorted(edges, numbers), return_inverse=True)[1]
    n_groups, total = int(groups.max()) + 1, float(((ranks - ranks.mean()) ** 2).sum())
    if n_groups < 2 or total == 0:
        return None, 0.0
    sums, sizes = np.bincount(groups, weights=ranks), np.bincount(groups)
    between = float((sizes * (sums / sizes - ranks.mean()) ** 2).sum())
    return between / total, (n_groups - 1) / (len(params) - 1)


def _kind(case: _Case, trial: FrozenTrial) -> Kind | None:
    outcome = case.outcomes.get(trial.number)
    return outcome.kind if outcome else None


def _best_until(case: _Case, trial: FrozenTrial, epoch: int) -> float:
    """The best reported value up to an epoch, which is what Optuna's pruners compare; more is better."""
    return max((case.sign * v for step, v in trial.intermediate_values.items() if step <= epoch), default=-math.inf)


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    if isinstance(distribution, CategoricalDistribution):
        numbers = [choice for choice in distribution.choices if isinstance(choice, int | float)]
        return min(numbers), max(numbers)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return distribution.low, distribution.high


def _place(value: Any, distribution: BaseDistribution) -> float | None:
    """Where a value lies between the bounds, in [0, 1], on the scale it is sampled on; None if it has no order."""
    if isinstance(distribution, CategoricalDistribution):
        choices = list(distribution.choices)
        if len(choices) < 3 or any(isinstance(one, bool) or not isinstance(one, int | float) for one in choices):
            return None
        numbers = sorted(one for one in choices if isinstance(one, int | float))
        return numbers.index(value) / (len(numbers) - 1)
    low, high = _ends(distribution)
    if high <= low:
        return None
    if getattr(distribution, "log", False):
        low, high, value = math.log(low), math.log(high), math.log(value)
    return float((value - low) / (high - low))


def _wider(distribution: BaseDistribution, *, upper: bool) -> str | None:
    """The declaration with that bound moved outwards; None if the bound is a natural limit."""
    low, high = _ends(distribution)
    if isinstance(distribution, CategoricalDistribution):
        numbers = sorted(one for one in distribution.choices if isinstance(one, int | float))
        ratio = numbers[-1] / numbers[-2] if upper else numbers[1] / numbers[0] if numbers[0] else 0
        new = numbers[-1] * ratio if upper else (numbers[0] / ratio if ratio else 0)
        if all(isinstance(one, int) for one in numbers):
            new = round(new)
        if new <= 0 or new in numbers:
            return None
        return f"choice = [{', '.join(f'{one:g}' for one in sorted([*numbers, new]))}]"
    whole = isinstance(distribution, IntDistribution)
    if getattr(distribution, "log", False):
        factor = 4 if whole else 10
        new_low, new_high = (low, high * factor) if upper else (max(1, low // factor) if whole else low / factor, high)
    else:
        width = (high - low) / 2
        step = getattr(distribution, "step", None)
        width = math.ceil(width / step) * step if step else width
        new_low, new_high = (low, high + width) if upper else (low - width, high)
        if not upper and low >= 0 > new_low:  # what was declared without a sign has none
            new_low = min(1, low) if whole else 0
        if upper and (low, high) == (0, 1):  # a share
            return None
    if (new_low, new_high) == (low, high):
        return None
    return _declaration(distribution, new_low, new_high)


def _declaration(distribution: BaseDistribution, low: float, high: float) -> str:
    """A range as the study file writes it: ``int = [16, 1024], log = true``."""
    whole = isinstance(distribution, IntDistribution)
    step = getattr(distribution, "step", None)
    words = f"{'int' if whole else 'float'} = [{_toml(low)}, {_toml(high)}]"
    if getattr(distribution, "log", False):
        return f"{words}, log = true"
    return f"{words}, step = {_toml(step)}" if step and not (whole and step == 1) else words


def _size(distribution: BaseDistribution) -> float:
    """How many values there are; infinite for a continuous range."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return (distribution.high - distribution.low) // distribution.step + 1
    assert isinstance(distribution, FloatDistribution)
    step = distribution.step
    return math.floor((distribution.high - distribution.low) / step + 1e-9) + 1 if step else math.inf


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)


def _inline(table: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{name} = {_toml(value)}" for name, value in table.items()) + " }"
