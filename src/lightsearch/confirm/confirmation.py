"""The result of the confirmation on fresh seeds: ``confirm.json`` and ``confirm.md``."""

from __future__ import annotations

import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lightsearch.atomic_files import write_json, write_text
from lightsearch.confirm.ranking import Ranked
from lightsearch.confirm.ranking_table import markdown_table
from lightsearch.confirm.seed_statistics import probability_better

CERTAIN = 0.95
"""With a lower probability that the first beats the second, the two are said to be within the noise of the seeds."""


class Confirmation(BaseModel):
    """What fresh seeds say about the leaders."""

    model_config = ConfigDict(frozen=True)

    study: str
    metric: str
    direction: str
    ranked: list[Ranked]
    """The best first; that one is chosen. Fewer failed runs come first, then the better mean."""
    probability: float | None
    """Probability that the first is really better than the second; None: no second, or too few seeds."""
    within_noise: bool
    """Whether random seeds alone can explain the difference."""
    versions: dict[str, str]
    finished: str
    """The end, in UTC, in ISO 8601."""

    @property
    def chosen(self) -> Ranked:
        return self.ranked[0]

    @property
    def verdict(self) -> str:
        """The choice in a sentence."""
        chosen = self.chosen
        text = f"chosen: {chosen.label}, {self.metric} {chosen.mean:.5f}"
        if chosen.interval is not None:
            cut = ", clipped to [0, 1]" if chosen.cut else ""
            ends = f"{chosen.interval[0]:.5f} to {chosen.interval[1]:.5f}{cut}"
            text += f" (95% interval {ends}, {len(chosen.values)} seeds)"
        if len(self.ranked) > 1 and self.probability is not None:
            text += f"; it beats {self.ranked[1].label} with probability {self.probability:.2f}"
            text += ", so the two are within the noise of the seeds" if self.within_noise else ""
        if chosen.failures:
            text += f"; {chosen.failed}"
        for one in self.ranked[1:]:
            if one.mean is not None and chosen.mean is not None and self._better(one.mean, chosen.mean):
                text += f"; {one.label} has a better mean, {one.mean:.5f}, but {one.failed}"
        return text

    def _better(self, one: float, other: float) -> bool:
        return one > other if self.direction == "maximize" else one < other


def confirm(study: str, metric: str, direction: str, ranked: list[Ranked], versions: dict[str, str]) -> Confirmation:
    """Compares the first of the ranking with the second.

    Args:
        study: The study's name.
        metric: The study's metric.
        direction: ``maximize`` or ``minimize``.
        ranked: What ``rank`` returns.
        versions: The versions of the packages that trained them.
    """
    probability = probability_better(ranked[0].values, ranked[1].values, direction) if len(ranked) > 1 else None
    return Confirmation(
        study=study,
        metric=metric,
        direction=direction,
        ranked=ranked,
        probability=probability,
        within_noise=probability is not None and probability < CERTAIN,
        versions=versions,
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def write_confirmation(confirmation: Confirmation, folder: Path) -> None:
    """Writes ``confirm.json`` and ``confirm.md``."""
    choice = {"chosen": confirmation.chosen.label, "verdict": confirmation.verdict}
    write_json(folder / "confirm.json", {**choice, **confirmation.model_dump(mode="json")})
    write_text(folder / "confirm.md", _as_markdown(confirmation))


def _as_markdown(confirmation: Confirmation) -> str:
    ranked = confirmation.ranked
    failures = [f"- {one.label}, {failure}\n" for one in ranked for failure in one.failures]
    if failures:
        failures.insert(0, "\nFailed runs; a configuration with more of them comes later:\n\n")
    cut = "For metrics between 0 and 1, the t interval is clipped to [0, 1]. "
    return (
        f"# {confirmation.study}: the leaders on fresh seeds\n\n{confirmation.verdict}.\n\n"
        f"{markdown_table(ranked, confirmation.metric)}\n\n"
        "The interval is that of the mean over seeds, on one split of the data. "
        + cut * any(one.cut for one in ranked)
        + "The value in the search is that of one seed; for a leader it is usually too optimistic.\n"
        + "".join(failures)
    )
