"""What a script or a notebook asks of a study that exists, also while a search runs on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightsearch.declare.study_name import study_name
from lightsearch.declare.values import as_plain
from lightsearch.python_words import in_python_words
from lightsearch.storage.opening import open_storage
from lightsearch.storage.urls import storage_url
from lightsearch.study import enqueueing
from lightsearch.study.stored import find_study


@in_python_words
def enqueue(
    study: str | Path, params: Mapping[str, Any] | None = None, /, *, storage: str | None = None, **more: Any
) -> int:
    """Adds a configuration to a study, to be run next: ``lightsearch.enqueue("mnist", lr=1e-3, width=64)``.

    A search that runs on the study takes it next. If none runs, ``search`` with a larger ``n_trials`` does, which is
    the study's total, this trial included.

    Args:
        study: The study's name, or its file (``studies/mnist.toml``).
        params: Values by the names of parameters, where a name is no Python name: ``{"optimizer.lr": 1e-3}``.
        storage: SQLAlchemy URL (else LIGHTSEARCH_STORAGE, else ``sqlite:///studies/studies.db``).
        more: Further values by the names of parameters. Parameters that are left out are sampled.

    Returns:
        The trial's number.

    Raises:
        UserError: if there is no such study, and with one line for each name or value that is not in its space.
    """
    name = study_name(str(study))
    url = storage_url(None) if storage is None else storage
    opened = open_storage(url, create=False)
    values = {key: as_plain(value) for key, value in {**(params or {}), **more}.items()}
    return enqueueing.enqueue(find_study(opened, name), opened, url, values).number
