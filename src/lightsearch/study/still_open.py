"""Whether a study is still the one that a search has opened."""

from __future__ import annotations

import optuna

from lightsearch.compat.optuna_trials import study_id_of
from lightsearch.errors import ResourceUnavailable
from lightsearch.storage.retrying import RetryingStorage
from lightsearch.study.widenings import widenings


def check_not_replaced(study: optuna.Study, storage: RetryingStorage, name: str, n_widenings: int) -> None:
    """Ends a search that opened the study before another search replaced it or widened its space.

    Args:
        study: The study, as it was opened.
        storage: Its storage.
        name: Its name.
        n_widenings: The number of its widenings when it was opened.

    Raises:
        ResourceUnavailable: if the study of this name is another one, or has another space.
    """
    try:
        name_now = storage.get_study_name_from_id(study_id_of(study))
    except KeyError:
        name_now = ""
    if name_now != name:
        raise ResourceUnavailable(f"the study {name} was replaced by another search")
    if len(widenings(study.user_attrs)) > n_widenings:
        raise ResourceUnavailable(
            f"the study {name} was widened by another search; continue with the widened study file"
        )
