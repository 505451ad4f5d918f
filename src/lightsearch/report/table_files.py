"""Tables written as CSV, safe for spreadsheets, and as Parquet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""Beginnings of a text that a spreadsheet takes for a formula, and of one that would be taken for a quoted one."""


def write(frame: pd.DataFrame, path: Path) -> list[Path]:
    """Writes ``path`` with the endings ``.csv`` (UTF-8, nothing for a missing value) and ``.parquet``.

    In the CSV file a text that a spreadsheet would run as a formula has an apostrophe before it, as has one that begins
    with an apostrophe: whoever reads it back takes one leading apostrophe off. Parquet has every text as it is.

    A reader sees the old file or the new one, never a part of one.

    Returns:
        The two files.
    """
    files = []
    for ending in ("csv", "parquet"):
        file = path.with_name(f"{path.name}.{ending}")
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            if ending == "csv":
                _for_spreadsheets(frame).to_csv(
                    temporary, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ", encoding="utf-8"
                )
            else:
                frame.to_parquet(temporary, index=False)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
        files.append(file)
    return files


def _for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with texts that a spreadsheet shows, and does not run; numbers stay numbers."""
    import pandas as pd

    texts = [str(name) for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype | pd.StringDtype)]
    return frame.assign(**{name: frame[name].astype(object).map(_quoted, na_action="ignore") for name in texts})


def _quoted(text: str) -> str:
    if not text.startswith(FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
