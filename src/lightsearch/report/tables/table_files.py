"""Tables as files: CSV that is safe in a spreadsheet, and Parquet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""First characters of a text that a spreadsheet runs as a formula, and the apostrophe that marks a text as no formula.
"""


def write_table(frame: pd.DataFrame, path: Path) -> list[Path]:
    """Writes ``path`` with the endings ``.csv`` (UTF-8, a missing value is empty) and ``.parquet``.

    In the CSV file an apostrophe stands before every text that a spreadsheet would run as a formula, and before every
    text that begins with an apostrophe; a reader removes one leading apostrophe. The Parquet file has every text
    unchanged. Each file is replaced at once: a reader sees the old file or the new one.

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
    """The frame with every text quoted that a spreadsheet would run; numbers stay numbers."""
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
