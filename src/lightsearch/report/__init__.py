"""The report of a study: tables, summaries for machines and for people, and one page to look at.

``facts/`` gathers what is known of the study, ``diagnostics/`` finds what the next search should do differently,
``tables/`` and ``plots/`` show it, ``page/`` and ``summary.py`` put it together.
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

    from lightsearch.report.facts.facts import Facts

FILES = ("trials.csv", "trials.parquet", "epochs.csv", "epochs.parquet", "summary.json", "summary.md", "report.html")


def write_report(study: optuna.Study, output: Path, folder: Path | None = None) -> dict[str, str]:
    """Writes all files of the report, in place of those of an earlier report.

    Args:
        study: Any Optuna study: finished, running, empty, or another program's.
        output: The folder to write to; created if it does not exist.
        folder: The study's own folder, with the trials' ``epochs.csv``; ``studies/<name>`` if None.

    Returns:
        The result in a sentence (``headline``), a ``note`` on it, and the number of ``findings``.

    Raises:
        UserError: if the folder cannot be written to, before any work.
    """
    check_output(output)
    from lightsearch.report.facts.headline import headline

    facts = facts_of(study, output)
    write_files(study, facts, output, folder)
    result = headline(facts)
    return {"headline": result.sentence, "note": result.note, "findings": str(len(facts.findings))}


def facts_of(study: optuna.Study, output: Path) -> Facts:
    """What is known of a study, and of a retraining that has left its result in a folder."""
    from lightsearch.report.facts.confirmed import confirmed, wrong_answers
    from lightsearch.report.facts.facts import gather

    facts = gather(study)
    if (verdict := confirmed(output, facts.rows)) is None:
        return facts
    return dataclasses.replace(facts, confirmed=verdict, wrong_answers=wrong_answers(output))


def write_files(study: optuna.Study, facts: Facts, output: Path, folder: Path | None = None) -> None:
    """Writes all files of the report, from facts that are gathered.

    Args:
        study: The study.
        facts: What ``facts_of`` returns for it.
        output: The folder to write to, which ``check_output`` has checked.
        folder: The study's own folder; ``studies/<name>`` if None.

    Raises:
        UserError: if the folder cannot be written to.
    """
    from lightsearch.report.page.render import page
    from lightsearch.report.page.trials import Files
    from lightsearch.report.summary import as_json, as_markdown
    from lightsearch.report.tables.epoch_table import default_folder, epoch_table
    from lightsearch.report.tables.table_files import write_table
    from lightsearch.report.tables.trial_table import trial_table

    folder = folder or default_folder(study)
    trials, epochs = trial_table(study), epoch_table(study, folder)
    files = Files(folder, output.absolute()) if folder is not None else None
    texts = {"report.html": page(facts, epochs, files), "summary.md": as_markdown(facts)}
    summary = as_json(facts)
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_table(trials, output / "trials")
        write_table(epochs, output / "epochs")
        write_json(output / "summary.json", summary)
        for name, text in texts.items():
            write_text(output / name, text)
    except OSError as error:
        raise UserError(Mistake("--output", str(output), f"cannot be written: {error.strerror}")) from error


def check_output(output: Path) -> None:
    """Checks that the report can be written to a folder.

    Raises:
        UserError: if it cannot, with the reason.
    """
    output = output.absolute()
    mistakes = [dataclasses.replace(mistake, field="--output") for mistake in check_writable(output)]
    if not mistakes:
        existing = next(parent for parent in (output, *output.parents) if parent.exists())
        try:  # a file system may refuse what the permissions allow
            with tempfile.TemporaryFile(dir=existing):
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
