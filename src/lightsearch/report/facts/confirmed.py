"""What ``lightsearch retrain`` has found of a study, for its report."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from lightsearch.report.facts.row import Row


def confirmed(output: Path, rows: list[Row]) -> str | None:
    """The verdict of ``confirm.json`` in the folder of the report. None: there is none of this study.

    Args:
        output: The folder of the report.
        rows: All trials of the study.
    """
    try:
        found = json.loads((output / "confirm.json").read_text(encoding="utf-8"))
        return str(found["verdict"]) if _is_of(rows, found["ranked"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def wrong_answers(output: Path) -> str | None:
    """The picture of the final model's surest wrong answers, as a data URL. None: there is none.

    Args:
        output: The folder of the report, for which ``confirmed`` has found a verdict.
    """
    try:
        picture = (output / "final" / "wrong-answers.svg").read_bytes()
    except OSError:
        return None
    return "data:image/svg+xml;base64," + base64.b64encode(picture).decode()


def _is_of(rows: list[Row], ranked: list[dict[str, Any]]) -> bool:
    """Whether the retrained trials are in the study; an earlier study of that name may have left the file."""
    params = {row.number: row.trial.params for row in rows}
    retrained = [one for one in ranked if one["trial"] is not None]
    return bool(retrained) and all(params.get(one["trial"]) == one["params"] for one in retrained)
