"""Which artifact URL a study has, and the files of its trials that are fetched from there."""

from __future__ import annotations

from pathlib import Path

import optuna

from lightsearch.atomic_files import file_digest
from lightsearch.errors import Mistake, UserError
from lightsearch.outcome import Outcome
from lightsearch.storage.artifacts import Artifacts
from lightsearch.storage.retrying import RetryingStorage

ATTR = "artifacts"
"""The study's attribute with the URL of its trials' files."""


def artifacts_of(study: optuna.Study, url: str | None = None) -> Artifacts | None:
    """A study's artifacts; None if its files are in the study's folder alone.

    Args:
        study: The study.
        url: The parent of their URL, if the study may not have one yet; None: the study's own URL.

    Raises:
        UserError: if the study has another URL.
    """
    stored = study.user_attrs.get(ATTR)
    if url is not None:
        own = f"{url.rstrip('/')}/{study.study_name}-{study.user_attrs['uid'][:8]}"
        if stored not in (None, own):
            hint = f"the study's trials are at {stored.rpartition('/')[0]}; leave the option out, it is remembered"
            raise UserError(Mistake("--artifacts", url, hint))
        if stored is None:
            study.set_user_attr(ATTR, own)
        stored = own
    return Artifacts(stored) if stored is not None else None


def artifacts_url(storage: RetryingStorage, name: str) -> str | None:
    """The URL of a study's artifacts; None if there is no such study, or it has none."""
    if name not in optuna.get_all_study_names(storage):
        return None
    url: str | None = optuna.load_study(study_name=name, storage=storage).user_attrs.get(ATTR)
    return url


def fetch_checkpoint(study: optuna.Study, folder: Path, outcome: Outcome) -> None:
    """Fetches a trial's best checkpoint to the study's folder, if it was sent elsewhere and is not there.

    Args:
        study: The study.
        folder: The study's folder.
        outcome: The trial's outcome.

    Raises:
        ResourceUnavailable: if it cannot be read.
    """
    if outcome.checkpoint is None or ATTR not in study.user_attrs:
        return
    file = folder / outcome.checkpoint
    if file.is_file() and file_digest(file) == outcome.sha256:
        return  # another file may be of an earlier attempt, made here before the trial went elsewhere
    trial, _, name = outcome.checkpoint.rpartition("/")
    Artifacts(study.user_attrs[ATTR]).fetch(trial, outcome.attempt, folder / trial, [name])
