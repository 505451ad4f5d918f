"""The chosen model handed over: its weights, an exported program, one test evaluation, a card."""

from __future__ import annotations

import os
import reprlib
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.artifacts import upload_artifact

from lightsearch.atomic_files import write_json, write_text
from lightsearch.confirm import card
from lightsearch.confirm.evaluation import Tested, data_with_test_set, test_once
from lightsearch.confirm.ranking import Confirmation
from lightsearch.confirm.record import CHECKPOINT, FACTS, PROGRAM, ClassFigures, Final, read_final
from lightsearch.confirm.runs import Run, RunOutcome
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Untestable
from lightsearch.paths import study_folder
from lightsearch.report.dashboard import artifact_store
from lightsearch.storage.opening import open_storage
from lightsearch.study.stored import declaration_of, find_study
from lightsearch.training.rebuild import rebuild

if TYPE_CHECKING:
    from lightsearch.confirm.context import RetrainContext
    from lightsearch.confirm.display import Display


def hand_over(
    opened: RetrainContext,
    run: Run,
    outcome: RunOutcome,
    confirmation: Confirmation,
    output: Path,
    display: Display,
    untested: str | None,
) -> Final:
    """Tests the trained model and writes ``final/``; if that has been done with this very model, tells what it found.

    Args:
        opened: The study.
        run: The training.
        outcome: What became of it.
        confirmation: Why this configuration was chosen.
        output: The folder in which ``final/`` shall be.
        display: Where it is told.
        untested: Why it cannot be tested; None: it can.
    """
    there = read_final(output / "final")
    same = there is not None and there.run == run and there.sha256 == outcome.sha256
    if there is not None and same and (there.evaluation is not None or untested is not None):
        display.message(f"this very model is in {output / 'final'} already; the test set is not used again")
        return there
    display.message("writing the model ..." if untested else "testing it once, and writing the model ...")
    final: Final = opened.server.call(
        _hand_over, opened.study.study_name, opened.url, opened.data_dir, run, outcome, confirmation, output, untested
    )
    return final


def _hand_over(
    name: str,
    url: str,
    data_dir: str | None,
    run: Run,
    outcome: RunOutcome,
    confirmation: Confirmation,
    output: Path,
    untested: str | None,
) -> Final:
    """The work, in a process that has torch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a test that has begun is counted, so it may as well end

    import torch

    from lightsearch.confirm.export import example_of, export, write_weights
    from lightsearch.data import ImageData
    from lightsearch.training.components import build_data

    study = find_study(open_storage(url, create=False), name)
    declared = declaration_of(study)
    folder = run.folder(study_folder(name))

    def data_of_run(declared: StudyFile, sampled: dict[str, Any], data_dir: str | None) -> Any:
        data: Any = (data_with_test_set if untested is None else build_data)(declared, sampled, data_dir)
        if run.on == "train+val":
            data.join_val()
        return data

    rebuilt = rebuild(declared, outcome, folder, data_dir, data_of_run)
    staging = output / f".final-{os.getpid()}"
    staging.mkdir(parents=True)
    try:
        example = example_of(rebuilt)
        weights = write_weights(rebuilt, example, staging / CHECKPOINT)
        program = export(rebuilt.model, example, staging / PROGRAM)
        tested = Tested(
            why=f"retrain: {run.label} on {run.on}",
            trial=run.trial,
            checkpoint=str(rebuilt.checkpoint.relative_to(study_folder(name))),
            sha256=str(outcome.sha256),
            value=outcome.value,
            params=run.params,
        )
        torch.set_num_threads(max(1, outcome.threads))
        evaluation = confusion = None
        if untested is None:
            try:
                evaluation, confusion = test_once(study, rebuilt, tested, url=url)
            except Untestable as error:
                untested = str(error)
        facts = study.user_attrs["data"]
        final = Final(
            study=name,
            run=run,
            epochs=outcome.epochs,
            seconds=outcome.seconds,
            device=outcome.device,
            threads=outcome.threads,
            sha256=str(outcome.sha256),
            evaluation=evaluation,
            untested=untested,
            confusion=confusion,
            classes=class_figures(confusion, facts.get("classes")),
            weights=weights,
            arguments={name: reprlib.repr(value) for name, value in rebuilt.arguments.items()},
            program=program,
            versions=confirmation.versions,
            split_hash=facts.get("split_hash"),
            study_seed=declared.seed,
        )
        write_json(staging / FACTS, final.model_dump(mode="json"))
        if confusion is not None:
            write_text(staging / card.PICTURE, card.confusion_svg(confusion, [one.name for one in final.classes]))
        noun = "images" if isinstance(rebuilt.data, ImageData) else "samples"
        write_text(staging / "README.md", card.model_card(final, confirmation, declared.model.class_path, noun))
        shutil.rmtree(output / "final", ignore_errors=True)
        staging.rename(output / "final")
        _show_in_dashboard(study, output / "final")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return final


def _show_in_dashboard(study: optuna.Study, folder: Path) -> None:
    for name in (card.PICTURE, "README.md"):
        if (folder / name).is_file():
            upload_artifact(artifact_store=artifact_store(), file_path=str(folder / name), study_or_trial=study)


def class_figures(confusion: list[list[int]] | None, names: list[str] | None) -> list[ClassFigures]:
    """Precision and recall of every class.

    Args:
        confusion: Samples by class (row) and by what they were taken for (column).
        names: The classes' names; their numbers if None.
    """
    if confusion is None:
        return []
    named = names if names is not None and len(names) == len(confusion) else [str(n) for n in range(len(confusion))]
    figures = []
    for position, row in enumerate(confusion):
        samples, taken = sum(row), sum(other[position] for other in confusion)
        figures.append(
            ClassFigures(
                name=named[position],
                samples=samples,
                recall=row[position] / samples if samples else None,
                precision=row[position] / taken if taken else None,
            )
        )
    return figures
