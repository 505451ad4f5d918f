"""The test evaluation of a study's best trial: counted, kept with the study, and the only way to the test set."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from lightsearch.errors import Mistake, UserError
from lightsearch.folders import check_writable, file_digest, study_folder, write_json
from lightsearch.outcome import Outcome
from lightsearch.storage import open_storage, storage_lock
from lightsearch.study import declaration_of, find_study, leaders


class Evaluation(BaseModel):
    """One use of the test set. It is recorded before an image is read, so that a failed one counts as well."""

    model_config = ConfigDict(frozen=True)

    ordinal: int
    """Which use of the study's test set this is, from 1."""
    time: float
    """Seconds since 1970, UTC."""
    why: str
    """What it was for."""
    trial: int
    """The trial's number."""
    checkpoint: str
    """The checkpoint, relative to the study's folder."""
    sha256: str
    """Its digest."""
    value: float
    """The study's metric of this checkpoint, on the validation images."""
    params: dict[str, Any]
    n_test: int | None = None
    """Test images."""
    metrics: dict[str, float] | None = None
    """What the model logged on them; None: the evaluation failed, or has not ended."""
    interval: tuple[float, float] | None = None
    """95% interval of ``test_acc``, for the choice of the test images (Wilson's)."""


def evaluate_best(name: str, *, url: str, data_dir: str | None) -> Evaluation:
    """Tests the best trial's checkpoint, and writes ``studies/<name>/test_evaluations.json``.

    Args:
        name: The study's name.
        url: The storage.
        data_dir: Folder of the data files.

    Raises:
        UserError: if there is no such study, no finished trial, or no whole checkpoint, or the data cannot be had.
    """
    folder = study_folder(name)
    study = find_study(open_storage(url, create=False), name)
    declared = declaration_of(study)
    best = leaders(study.get_trials(deepcopy=False), declared.direction, 1)
    if not best:
        raise UserError(Mistake("--study", name, "has no complete trial yet; run the search first"))
    checkpoint = _checked(folder, best[0])
    if mistakes := check_writable(folder):
        raise UserError(*mistakes)

    # Imported here: it takes seconds, and a mistake should be told at once.
    from lightsearch import components, training
    from lightsearch.data.test_set import open_test_set

    training.quiet()
    sampled = declared.space.split(best[0].params)
    data_class = components.find_class(declared.data, "data")
    context = components.data_context(declared.seed, data_dir)
    arguments = components.arguments(data_class, {**declared.data.init_args, **sampled["data"]}, context)
    model: Any = components.find_class(declared.model, "model")
    model = model.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)

    with storage_lock(url, f"study-{name}"):
        before = study.user_attrs.get("test_evaluations", [])
        evaluation = Evaluation(
            ordinal=len(before) + 1,
            time=round(time.time(), 3),
            why="evaluate: the best trial",
            trial=best[0].number,
            checkpoint=str(best[0].checkpoint),
            sha256=str(best[0].sha256),
            value=float(best[0].value or 0.0),
            params=best[0].params,
        )
        study.set_user_attr("test_evaluations", [*before, evaluation.model_dump(mode="json")])
    loader = open_test_set(data_class, arguments)
    keywords = {**declared.trainer.keywords, **sampled["trainer"]}
    metrics = training.test(model, loader, folder=folder, keywords=keywords)
    n_test = len(loader.labels)
    accuracy = metrics.get("test_acc")
    found = {"n_test": n_test, "metrics": metrics, "interval": accuracy and wilson_interval(accuracy, n_test)}
    evaluation = evaluation.model_copy(update=found)
    with storage_lock(url, f"study-{name}"):
        kept = study.user_attrs["test_evaluations"]
        kept[evaluation.ordinal - 1] = evaluation.model_dump(mode="json")
        study.set_user_attr("test_evaluations", kept)
    write_json(folder / "test_evaluations.json", kept)
    return evaluation


def wilson_interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share seen in ``n`` draws (E. B. Wilson, 1927); 95% with the default ``z``."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def _checked(folder: Path, outcome: Outcome) -> Path:
    """The outcome's checkpoint, if it is there and whole."""
    checkpoint = folder / str(outcome.checkpoint)
    way_out = f"put it back, or train trial {outcome.number} again with a new study (--name)"
    if outcome.checkpoint is None or not checkpoint.is_file():
        raise UserError(Mistake("checkpoint", str(checkpoint), f"is missing; {way_out}"))
    if file_digest(checkpoint) != outcome.sha256:
        raise UserError(Mistake("checkpoint", str(checkpoint), f"is damaged: its sha256 has changed; {way_out}"))
    return checkpoint
