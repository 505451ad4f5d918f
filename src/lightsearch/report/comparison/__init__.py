"""Several studies side by side: which is better and how surely, what they took, and what differs in their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightsearch.errors import Mistake, UserError

if TYPE_CHECKING:
    import optuna

MAX_STUDIES = 8
"""More lines in one plot cannot be told apart."""


def write_comparison(studies: Sequence[optuna.Study], output: Path) -> str:
    """Writes ``report.html``, which compares the studies, and the report of each study in a folder of its own.

    Args:
        studies: Two to ``MAX_STUDIES`` studies with one objective and the same metric.
        output: The folder to write to; created if it does not exist.

    Returns:
        The result in a sentence.

    Raises:
        UserError: if they cannot be compared, or the folder cannot be written to, before any work.
    """
    from lightsearch.atomic_files import write_text
    from lightsearch.report import check_output, facts_of, write_files
    from lightsearch.report.comparison.page import page
    from lightsearch.report.comparison.verdict import verdict

    check_output(output)
    check_comparable(studies)
    for study in studies:
        check_output(output / study.study_name)
    gathered = [facts_of(study, output / study.study_name) for study in studies]
    for study, facts in zip(studies, gathered, strict=True):
        write_files(study, facts, output / study.study_name)
    write_text(output / "report.html", page(gathered))
    return verdict(gathered)


def check_comparable(studies: Sequence[optuna.Study]) -> None:
    """Checks that one axis can show all studies.

    Raises:
        UserError: with every reason why it cannot.
    """
    from lightsearch.report.readers import objectives_of

    mistakes = []
    if len(studies) > MAX_STUDIES:
        mistakes.append(Mistake("--study", f"{len(studies)} studies", f"a comparison takes {MAX_STUDIES} at most"))
    names = [study.study_name for study in studies]
    mistakes += [Mistake("--study", name, "is named twice") for name in dict.fromkeys(names) if names.count(name) > 1]
    first, *others = [(study.study_name, objectives_of(study)) for study in studies]
    for name, objectives in [first, *others]:
        if len(objectives) > 1:
            mistakes.append(Mistake("--study", name, "has several objectives; compare studies that have one"))
        elif len(first[1]) == 1 and objectives != first[1]:
            (ours, our_direction), (theirs, their_direction) = first[1][0], objectives[0]
            hint = f"{their_direction}s {theirs}, and {first[0]} {our_direction}s {ours}; compare studies of one metric"
            mistakes.append(Mistake("--study", name, hint))
    if mistakes:
        raise UserError(*mistakes)
