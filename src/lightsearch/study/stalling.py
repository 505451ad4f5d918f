"""Early stopping where a scheduler decides how long trials train.

A curve that gets no better for some epochs often does later. So ``freeze_thaw`` pauses such a trial, and continues it
if it expects a gain. What early stopping would have ended is complete once the search ends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from lightsearch.declare.study_file import StudyFile


def has_stalled(values: Mapping[int, float], study_file: StudyFile) -> bool:
    """Whether the last ``trainer.patience`` validations brought no improvement, counted as by ``EarlyStopping``.

    Args:
        values: The metric after each validated epoch.
        study_file: The study file; with ``patience = 0``, no trial stalls.
    """
    trainer, sign = study_file.trainer, 1.0 if study_file.mode == "max" else -1.0
    best, waited = -math.inf, 0
    for epoch in sorted(values):
        value = sign * values[epoch]
        if value - trainer.min_delta > best:
            best, waited = value, 0
        else:
            waited += 1
    return 0 < trainer.patience <= waited
