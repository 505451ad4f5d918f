"""Where optuna-dashboard keeps the notes of trials: in system attributes of their study.

Its own ``save_note`` reads all notes for each one that it writes, and needs a trial that runs. Read in
optuna-dashboard 0.21.
"""

from __future__ import annotations

from collections.abc import Mapping

import optuna

PART_LETTERS = 2045
"""The letters of a part; a longer note has several."""


def save_notes(study: optuna.Study, notes: Mapping[int, str]) -> int:
    """Saves notes of trials that have none, in Markdown. What somebody has written stays.

    Args:
        study: The study.
        notes: The notes, by the storage's ids of their trials.

    Returns:
        How many were saved.
    """
    storage, study_id = study._storage, study._study_id
    stored = storage.get_study_system_attrs(study_id)
    missing = {trial_id: note for trial_id, note in notes.items() if _version_key(trial_id) not in stored}
    for trial_id, note in missing.items():
        for part, start in enumerate(range(0, len(note), PART_LETTERS)):
            storage.set_study_system_attr(
                study_id, f"dashboard:{trial_id}:note_str:{part}", note[start : start + PART_LETTERS]
            )
        storage.set_study_system_attr(study_id, _version_key(trial_id), 1)  # last: a note is there as a whole
    return len(missing)


def _version_key(trial_id: int) -> str:
    return f"dashboard:{trial_id}:note_ver"
