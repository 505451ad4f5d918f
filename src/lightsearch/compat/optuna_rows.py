"""What is in a SQLite file of Optuna, as far as that can be told without importing Optuna. Read in Optuna 5.0.0."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

FINISHED = """
    SELECT COUNT(*) FROM trials JOIN studies USING (study_id)
    WHERE study_name = ? AND state IN ('COMPLETE', 'PRUNED')
"""
REPORTED = """
    SELECT COUNT(*) FROM trial_intermediate_values JOIN trials USING (trial_id) JOIN studies USING (study_id)
    WHERE study_name = ?
"""


def finished_and_reported(file: Path, study: str) -> tuple[int, int]:
    """Counts the finished trials of a study, and the values that its trials have reported. Nothing is written.

    Args:
        file: The file.
        study: The study's name.

    Returns:
        The two numbers; 0 and 0 if there is no such file or study.
    """
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_opened(file)) as connection:
        finished, reported = (connection.execute(query, (study,)).fetchone()[0] for query in (FINISHED, REPORTED))
        return int(finished), int(reported)
    return 0, 0


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
