"""The report of a study: tables, summaries for machines and for people, and one page to look at.

``write_report`` is what ``python -m search.report`` does. The page is a single file that opens without a network.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lightsearch.atomic_files import write_json, write_text
from lightsearch.errors import Mistake, UserError
from lightsearch.paths import check_writable

if TYPE_CHECKING:
    import optuna

FILES = ("trials.csv", "trials.parquet", "epochs.csv", "epochs.parquet", "summary.json", "summary.md", "report.html")


def write_report(study: optuna.Study, output: Path, folder: Path | None = None) -> dict[str, str]:
    """Writes everything that a report consists of; files of an earlier report are replaced.

    Args:
        study: Any Optuna study: finished, running, empty, or another program's.
        output: The folder to write to; made if it is not there.
        folder: The study's own folder, with the trials' ``epochs.csv``; ``studies/<name>`` if None.

    Returns:
        The result in a sentence (``headline``), what is to be known with it (``note``), and the findings' number.

    Raises:
        UserError: if the folder cannot be written to, before any work.
    """
    check_output(output)
    from lightsearch.report import epoch_table, table_files, tables
    from lightsearch.report.facts import gather
    from lightsearch.report.page import page
    from lightsearch.report.summary import as_json, as_markdown

    facts = gather(study)
    trials, epochs = tables.trials(study), epoch_table.epochs(study, folder)
    texts = {"report.html": page(facts, epochs), "summary.md": as_markdown(facts)}
    summary = as_json(facts)
    try:
        output.mkdir(parents=True, exist_ok=True)
        table_files.write(trials, output / "trials")
        table_files.write(epochs, output / "epochs")
        write_json(output / "summary.json", summary)
        for name, text in texts.items():
            write_text(output / name, text)
    except OSError as error:
        raise UserError(Mistake("--output", str(output), f"cannot be written: {error.strerror}")) from error
    headline, note = facts.headline
    return {"headline": headline, "note": note, "findings": str(len(facts.findings))}


def check_output(output: Path) -> None:
    """Refuses a folder that cannot be written to.

    Raises:
        UserError: with what is in the way.
    """
    output = output.absolute()
    mistakes = [dataclasses.replace(mistake, field="--output") for mistake in check_writable(output)]
    if not mistakes:
        there = next(parent for parent in (output, *output.parents) if parent.exists())
        try:  # what the permissions allow, a file system may still refuse
            with tempfile.TemporaryFile(dir=there):
                pass
            if any((output / name).is_dir() or not _replaceable(output / name) for name in FILES):
                raise PermissionError(0, "a folder or a protected file has the name of one of the report's files")
        except OSError as error:
            mistakes.append(
                Mistake("--output", str(output), f"cannot be written to: {error.strerror}; name another folder")
            )
    if mistakes:
        raise UserError(*mistakes)


def _replaceable(file: Path) -> bool:
    return not file.exists() or os.access(file, os.W_OK)
