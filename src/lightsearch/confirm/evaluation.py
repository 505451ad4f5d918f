"""Test evaluations: each is counted and kept with the study. There is no other way to the test set."""

from __future__ import annotations

import math
import time
from typing import Any

import optuna
from pydantic import BaseModel, ConfigDict

from lightsearch.atomic_files import write_json
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, Untestable, UserError
from lightsearch.paths import check_writable, study_folder
from lightsearch.storage.locks import storage_lock
from lightsearch.storage.opening import open_storage
from lightsearch.storage.study_artifacts import fetch_checkpoint
from lightsearch.study.leaders import leaders, pareto_front
from lightsearch.study.origin import ended_how
from lightsearch.study.stored import check_has_model, declaration_of, find_study
from lightsearch.training.rebuild import Rebuilt, rebuild, whole_checkpoint


class Tested(BaseModel):
    """What is tested, and what for."""

    model_config = ConfigDict(frozen=True)

    why: str
    """What it is for."""
    trial: int | None
    """The trial that the configuration comes from; None: the defaults of the model and the data."""
    checkpoint: str
    """The checkpoint, relative to the study's folder."""
    sha256: str
    """Its digest."""
    value: float | None
    """The study's metric of this checkpoint, on the validation samples; None: it was trained on them as well."""
    params: dict[str, Any]
    values: dict[str, float] = {}
    """All the objectives in validation, where there are several."""


class Evaluation(Tested):
    """One use of the test set. It is recorded before a sample is scored, so that a failed one counts as well."""

    ordinal: int
    """Which use of the study's test set this is, from 1."""
    time: float
    """Seconds since 1970, UTC."""
    n_test: int | None = None
    """Test samples, of all loaders together."""
    sizes: list[int | None] = []
    """Where there are several test loaders, the samples of each."""
    metrics: dict[str, float] | None = None
    """What the model logged on them; None: the evaluation failed, or has not ended."""
    interval: tuple[float, float] | None = None
    """95% interval of ``test_acc``, for the choice of the test samples (Wilson's)."""
    intervals: dict[str, tuple[float, float]] = {}
    """Where there are several test loaders, that of each loader's ``test_acc``, by the metric's name."""

    def lines(self) -> list[str]:
        """What was found, for people."""
        width = max([10, *map(len, self.metrics or {})])
        found = [f"{metric:<{width}} {value:.5g}" for metric, value in (self.metrics or {}).items()]
        known = {"test_acc": self.interval} if self.interval is not None else self.intervals
        for metric, (low, high) in known.items():
            position = metric.rpartition("_")[2]
            size = self.sizes[int(position)] if self.sizes else self.n_test
            found.append(f"95% interval of {metric} on {size} samples: {low:.4f} to {high:.4f}")
        return found


def evaluate(name: str, *, url: str, data_dir: str | None, trial: int | None = None) -> list[Evaluation]:
    """Tests the best trial's checkpoint, and writes ``studies/<name>/test_evaluations.json``.

    Of several objectives every trial of the Pareto front is tested, and each is a use of the test set.

    Args:
        name: The study's name.
        url: The storage.
        data_dir: Folder of the data files.
        trial: Test this complete trial instead.

    Raises:
        UserError: if there is no such study, no finished trial, or no whole checkpoint, or the data cannot be had.
        Untestable: if the data has no test samples or the model no ``test_step``; nothing is recorded then.
    """
    folder = study_folder(name)
    study = find_study(open_storage(url, create=False), name)
    check_has_model(study)
    declared = declaration_of(study)
    trials = study.get_trials(deepcopy=False)
    complete = leaders(trials, declared.directions)
    if not complete:
        raise UserError(Mistake("--study", name, "has no complete trial yet; run the search first"))
    if trial is not None:
        why, chosen = "evaluate: a trial by its number", [one for one in complete if one.number == trial]
    elif declared.multi_objective:
        why, chosen = "evaluate: the Pareto front", pareto_front(trials, declared.directions)
    else:
        why, chosen = "evaluate: the best trial", complete[:1]
    if not chosen:
        how = next((ended_how(one) for one in trials if one.number == trial), "is not in the study")
        raise UserError(Mistake("--trial", trial, f"{how}; name a complete trial: the best is {complete[0].number}"))
    for one in chosen:
        fetch_checkpoint(study, folder, one)
        whole_checkpoint(folder, one)
    if mistakes := check_writable(folder):
        raise UserError(*mistakes)
    check_test_step(declared)
    evaluations = []
    for one in chosen:
        tested = Tested(
            why=why,
            trial=one.number,
            checkpoint=str(one.checkpoint),
            sha256=str(one.sha256),
            value=float(one.value or 0.0),
            params=one.params,
            values={metric: one.metrics[metric] for metric in declared.metrics} if declared.multi_objective else {},
        )
        rebuilt = rebuild(declared, one, folder, data_dir, data_with_test_set)
        evaluations.append(test_once(study, rebuilt, tested, url=url)[0])
    return evaluations


def test_once(
    study: optuna.Study, rebuilt: Rebuilt, tested: Tested, *, url: str
) -> tuple[Evaluation, list[list[int]] | None]:
    """Tests a model, and keeps that it did with the study and in ``studies/<name>/test_evaluations.json``.

    Args:
        study: The study.
        rebuilt: The model, on ``data_with_test_set``.
        tested: What it is.
        url: The study's storage.

    Returns:
        The evaluation, and how many test samples of the class of the row were taken for that of the column (None
        where that cannot be told; see ``confusion``).

    Raises:
        Untestable: if there are no test samples; nothing is recorded then.
    """
    from lightsearch.confirm import test_pass

    folder, declared = study_folder(study.study_name), declaration_of(study)
    keywords = {**declared.trainer.keywords, **declared.space.split(tested.params)["trainer"]}
    use = _Use(study, url, tested)
    scores = test_pass.test(
        rebuilt.model, rebuilt.data, rebuilt.checkpoint, folder=folder, keywords=keywords, begin=use.begin
    )
    sizes = scores.sizes
    several = len(sizes) > 1
    names = [f"test_acc/dataloader_idx_{position}" for position in range(len(sizes))] if several else ["test_acc"]
    known = zip(names, map(scores.metrics.get, names), sizes, strict=True)
    # A metric over several loaders has no interval: nobody says that they share no sample.
    intervals = {
        name: wilson_interval(share, n) for name, share, n in known if n and share is not None and 0 <= share <= 1
    }
    evaluation = use.end(
        n_test=None if None in sizes else sum(n for n in sizes if n is not None),
        sizes=sizes if several else [],
        metrics=scores.metrics,
        interval=None if several else intervals.get("test_acc"),
        intervals=intervals if several else {},
    )
    return evaluation, scores.confusion


def check_test_step(declared: StudyFile) -> None:
    """Checks that the study's model can be tested.

    Raises:
        Untestable: if it has no ``test_step``.
    """
    # Imported here: it takes seconds, and other mistakes should be told at once.
    from lightsearch.compat.lightning_package import overrides
    from lightsearch.declare.classes import find_class

    if not overrides(find_class(declared.model, "model"), "test_step"):
        raise Untestable(Mistake("model.class_path", declared.model.class_path, "has no test_step; give it one"))


def data_with_test_set(declared: StudyFile, sampled: dict[str, Any], data_dir: str | None) -> Any:
    """The study's data with its test loaders; the arguments are those of ``components.build_data``.

    Raises:
        Untestable: if it has none.
    """
    from lightsearch.data.test_set import open_test_set
    from lightsearch.training.components import build_data

    return open_test_set(build_data(declared, sampled, data_dir))


def why_untested(declared: StudyFile, params: dict[str, Any], data_dir: str | None) -> str | None:
    """Why a study's models cannot be tested, in a line; None if they can. No sample is read.

    Args:
        declared: The declared study.
        params: A configuration of it.
        data_dir: Folder of the data files.
    """
    try:
        check_test_step(declared)
        data = data_with_test_set(declared, declared.space.split(params)["data"], data_dir)
        data.prepare_data()
        data.setup("test")
        data.test_dataloader()
    except Untestable as error:
        return str(error)
    except Exception:  # it may want a Trainer, which it will have: the test itself will tell
        return None
    return None


def wilson_interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share seen in ``n`` draws (E. B. Wilson, 1927); 95% with the default ``z``."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


class _Use:
    """One use of the test set, as it is kept with the study.

    Args:
        study: The study.
        url: Its storage.
        tested: What is tested.
    """

    def __init__(self, study: optuna.Study, url: str, tested: Tested) -> None:
        self._study = study
        self._url = url
        self._tested = tested
        self._evaluation: Evaluation

    def begin(self) -> None:
        """Counts it."""
        with self._lock():
            before = self._study.user_attrs.get("test_evaluations", [])
            given = self._tested.model_dump()
            self._evaluation = Evaluation(**given, ordinal=len(before) + 1, time=round(time.time(), 3))
            self._study.set_user_attr("test_evaluations", [*before, self._evaluation.model_dump(mode="json")])

    def end(self, **found: Any) -> Evaluation:
        """Keeps what it found."""
        self._evaluation = self._evaluation.model_copy(update=found)
        with self._lock():
            kept: list[Any] = self._study.user_attrs["test_evaluations"]
            kept[self._evaluation.ordinal - 1] = self._evaluation.model_dump(mode="json")
            self._study.set_user_attr("test_evaluations", kept)
        write_json(study_folder(self._study.study_name) / "test_evaluations.json", kept)
        return self._evaluation

    def _lock(self) -> Any:
        return storage_lock(self._url, f"study-{self._study.study_name}")
