"""Test evaluations: each is counted and kept with the study. There is no other way to the test set."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import optuna
from pydantic import BaseModel, ConfigDict

from lightsearch.artifacts import bring
from lightsearch.errors import Mistake, UserError
from lightsearch.folders import check_writable, file_digest, study_folder, write_json
from lightsearch.origin import ended_how
from lightsearch.outcome import Outcome
from lightsearch.storage import open_storage, storage_lock
from lightsearch.study import check_has_model, declaration_of, find_study, front, leaders


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
    """One use of the test set. It is recorded before a sample is read, so that a failed one counts as well."""

    ordinal: int
    """Which use of the study's test set this is, from 1."""
    time: float
    """Seconds since 1970, UTC."""
    n_test: int | None = None
    """Test samples."""
    metrics: dict[str, float] | None = None
    """What the model logged on them; None: the evaluation failed, or has not ended."""
    interval: tuple[float, float] | None = None
    """95% interval of ``test_acc``, for the choice of the test samples (Wilson's)."""


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
    elif declared.several:
        why, chosen = "evaluate: the Pareto front", front(trials, declared.directions)
    else:
        why, chosen = "evaluate: the best trial", complete[:1]
    if not chosen:
        how = next((ended_how(one) for one in trials if one.number == trial), "is not in the study")
        raise UserError(Mistake("--trial", trial, f"{how}; name a complete trial: the best is {complete[0].number}"))
    for one in chosen:
        bring(study, folder, one)
    checkpoints = [_checked(folder, one) for one in chosen]
    if mistakes := check_writable(folder):
        raise UserError(*mistakes)

    # Imported here: it takes seconds, and a mistake should be told at once.
    from lightsearch import components

    model_class: Any = components.find_class(declared.model, "model")
    evaluations = []
    for one, checkpoint in zip(chosen, checkpoints, strict=True):
        model = model_class.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
        tested = Tested(
            why=why,
            trial=one.number,
            checkpoint=str(one.checkpoint),
            sha256=str(one.sha256),
            value=float(one.value or 0.0),
            params=one.params,
            values={metric: one.metrics[metric] for metric in declared.metrics} if declared.several else {},
        )
        evaluations.append(test_once(study, model, tested, url=url, data_dir=data_dir)[0])
    return evaluations


def test_once(
    study: optuna.Study, model: Any, tested: Tested, *, url: str, data_dir: str | None
) -> tuple[Evaluation, list[list[int]] | None]:
    """Tests a model, and keeps that it did with the study and in ``studies/<name>/test_evaluations.json``.

    Args:
        study: The study.
        model: The LightningModule, in the state to be tested.
        tested: What it is.
        url: The study's storage.
        data_dir: Folder of the data files.

    Returns:
        The evaluation, and how many test samples of the class of the row were taken for that of the column (None
        if the model's output is not (B, classes) logits).

    Raises:
        UserError: if the data cannot be had.
    """
    from lightsearch import components, training
    from lightsearch.data.test_set import open_test_set

    training.quiet()
    folder, declared = study_folder(study.study_name), declaration_of(study)
    sampled = declared.space.split(tested.params)
    data_class = components.find_class(declared.data, "data")
    context = components.data_context(declared.seed, data_dir)
    arguments = components.arguments(data_class, components.merged(declared.data.init_args, sampled["data"]), context)

    with storage_lock(url, f"study-{study.study_name}"):
        before = study.user_attrs.get("test_evaluations", [])
        evaluation = Evaluation(**tested.model_dump(), ordinal=len(before) + 1, time=round(time.time(), 3))
        study.set_user_attr("test_evaluations", [*before, evaluation.model_dump(mode="json")])
    loader, n_test = open_test_set(data_class, arguments)
    keywords = {**declared.trainer.keywords, **sampled["trainer"]}
    metrics = training.test(model, loader, folder=folder, keywords=keywords)
    accuracy = metrics.get("test_acc")
    interval = None if accuracy is None or n_test is None else wilson_interval(accuracy, n_test)
    found = {"n_test": n_test, "metrics": metrics, "interval": interval}
    evaluation = evaluation.model_copy(update=found)
    with storage_lock(url, f"study-{study.study_name}"):
        kept = study.user_attrs["test_evaluations"]
        kept[evaluation.ordinal - 1] = evaluation.model_dump(mode="json")
        study.set_user_attr("test_evaluations", kept)
    write_json(folder / "test_evaluations.json", kept)
    return evaluation, _confusion(model, loader)


def wilson_interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share seen in ``n`` draws (E. B. Wilson, 1927); 95% with the default ``z``."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def _confusion(model: Any, loader: Any) -> list[list[int]] | None:
    import torch

    model.cpu().eval()
    counts: torch.Tensor | None = None
    with torch.no_grad():
        for batch in loader:
            if not isinstance(batch, list | tuple) or len(batch) != 2 or not isinstance(batch[1], torch.Tensor):
                return None
            samples, labels = batch
            if labels.ndim != 1 or labels.is_floating_point():
                return None
            logits = model(samples)
            if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
                return None
            classes = logits.shape[1]
            pairs = torch.bincount(labels * classes + logits.argmax(dim=1), minlength=classes**2)
            counts = pairs if counts is None else counts + pairs
    return None if counts is None else [[int(n) for n in row] for row in counts.view(classes, classes)]


def _checked(folder: Path, outcome: Outcome) -> Path:
    """The outcome's checkpoint, if it is there and whole."""
    checkpoint = folder / str(outcome.checkpoint)
    way_out = f"put it back, or train trial {outcome.number} again with a new study (--name)"
    if outcome.checkpoint is None or not checkpoint.is_file():
        raise UserError(Mistake("checkpoint", str(checkpoint), f"is missing; {way_out}"))
    if file_digest(checkpoint) != outcome.sha256:
        raise UserError(Mistake("checkpoint", str(checkpoint), f"is damaged: its sha256 has changed; {way_out}"))
    return checkpoint
