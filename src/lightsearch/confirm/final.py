"""The export of the final model: ``final/`` with its weights, an exported program, one test evaluation and a card."""

from __future__ import annotations

import os
import reprlib
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import optuna
from optuna.artifacts import upload_artifact

from lightsearch.atomic_files import write_json, write_text
from lightsearch.confirm.card import model_card
from lightsearch.confirm.class_figures import class_figures
from lightsearch.confirm.confirmation import Confirmation
from lightsearch.confirm.confusion_picture import PICTURE, confusion_svg
from lightsearch.confirm.display import RetrainDisplay
from lightsearch.confirm.evaluation import test_once
from lightsearch.confirm.record import CHECKPOINT, FACTS, PROGRAM, WRONG_PICTURE, Final, read_final
from lightsearch.confirm.runs import Run, RunOutcome
from lightsearch.confirm.test_uses import Evaluation, Tested
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Untestable
from lightsearch.launchers.fork_server import ForkServer
from lightsearch.paths import study_folder
from lightsearch.report.dashboard import artifact_store
from lightsearch.storage.opening import open_storage
from lightsearch.study.stored import find_study
from lightsearch.training.rebuild import Rebuilt, rebuild

if TYPE_CHECKING:
    from lightsearch.confirm.test_pass import Scores


@dataclass(frozen=True)
class FinalExport:
    """A final training, and where its model is exported to."""

    declared: StudyFile
    """The study's declaration."""
    url: str
    """The storage."""
    data_dir: str | None
    """Folder of the data files."""
    run: Run
    """The final training."""
    outcome: RunOutcome
    """How it ended."""
    confirmation: Confirmation
    """Why its configuration was chosen."""
    output: Path
    """The folder in which ``final/`` is written."""
    untested: str | None
    """Why the model cannot be tested; None if it can."""


class _Test(NamedTuple):
    """The test of the final model, or why there is none."""

    evaluation: Evaluation | None
    scores: Scores | None
    untested: str | None


def export_final(export: FinalExport, server: ForkServer, display: RetrainDisplay) -> Final:
    """Tests the trained model and writes ``final/``; if it holds this model already, returns its record.

    Args:
        export: What to export.
        server: Starts the process that does the work, which needs torch.
        display: Where progress is shown.
    """
    folder = export.output / "final"
    existing = read_final(folder)
    if existing is not None and _is_of(existing, export):
        display.message(f"this model is in {folder} already; the test set is not used again")
        return existing
    display.message("writing the model ..." if export.untested else "testing it once, and writing the model ...")
    final: Final = server.call(_export_final, export)
    return final


def _is_of(final: Final, export: FinalExport) -> bool:
    """Whether a record is of this training, with its test if it can be tested."""
    same = final.run == export.run and final.sha256 == export.outcome.sha256
    return same and (final.evaluation is not None or export.untested is not None)


def _export_final(export: FinalExport) -> Final:
    """Writes ``final/`` as a whole, in a process that has torch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a test that has begun counts, so it is finished
    study = find_study(open_storage(export.url, create=False), export.declared.name)
    staging = export.output / f".final-{os.getpid()}"
    rebuilt = _rebuild(export)
    staging.mkdir(parents=True)
    try:
        final = _write_files(export, study, rebuilt, staging)
        shutil.rmtree(export.output / "final", ignore_errors=True)
        staging.rename(export.output / "final")
        _show_in_dashboard(study, export.output / "final")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return final


def _rebuild(export: FinalExport) -> Rebuilt:
    """The trained model, with the data that it was trained on."""
    folder = export.run.folder(study_folder(export.declared.name))
    return rebuild(export.declared, export.outcome, folder, export.data_dir, join_val=export.run.on == "train+val")


def _write_files(export: FinalExport, study: optuna.Study, rebuilt: Rebuilt, folder: Path) -> Final:
    from lightsearch.confirm.example import example_of
    from lightsearch.confirm.program import export_program
    from lightsearch.confirm.weights import write_weights
    from lightsearch.confirm.wrong_answers_picture import wrong_answers_svg
    from lightsearch.data import ImageData

    run, outcome, declared, data = export.run, export.outcome, export.declared, study.user_attrs["data"]
    example = example_of(rebuilt)
    weights = write_weights(rebuilt, example, folder / CHECKPOINT)
    program = export_program(rebuilt.model, example, folder / PROGRAM)
    test = _test(export, study, rebuilt)
    confusion = None if test.scores is None else test.scores.confusion
    final = Final(
        study=export.declared.name,
        run=run,
        epochs=outcome.epochs,
        seconds=outcome.seconds,
        device=outcome.device,
        threads=outcome.threads,
        sha256=str(outcome.sha256),
        evaluation=test.evaluation,
        untested=test.untested,
        confusion=confusion,
        classes=class_figures(confusion, data.get("classes")),
        weights=weights,
        arguments={name: reprlib.repr(value) for name, value in rebuilt.arguments.items()},
        program=program,
        versions=export.confirmation.versions,
        split_hash=data.get("split_hash"),
        study_seed=declared.seed,
    )
    write_json(folder / FACTS, final.model_dump(mode="json"))
    if confusion is not None and test.scores is not None:
        names = [one.name for one in final.classes]
        write_text(folder / PICTURE, confusion_svg(confusion, names))
        if test.scores.wrong:
            write_text(folder / WRONG_PICTURE, wrong_answers_svg(test.scores.wrong, names))
    cls = type(rebuilt.model)
    module = cls.__module__
    if declared.config is not None and module == "__main__":  # the script that calls LightningCLI
        module = Path(str(declared.config.cli)).stem if str(declared.config.cli).endswith(".py") else module
    class_path = f"{module}.{cls.__qualname__}" if declared.config is not None else declared.model.class_path
    samples = "images" if isinstance(rebuilt.data, ImageData) else "samples"
    has_wrong = (folder / WRONG_PICTURE).is_file()
    card = model_card(final, export.confirmation, class_path, samples, has_wrong=has_wrong)
    write_text(folder / "README.md", card)
    return final


def _test(export: FinalExport, study: optuna.Study, rebuilt: Rebuilt) -> _Test:
    """The model's one test, with as many threads as its training."""
    import torch

    run, outcome = export.run, export.outcome
    torch.set_num_threads(max(1, outcome.threads))
    if export.untested is not None:
        return _Test(None, None, export.untested)
    tested = Tested(
        why=f"retrain: {run.label} on {run.on}",
        trial=run.trial,
        checkpoint=str(rebuilt.checkpoint.relative_to(study_folder(export.declared.name))),
        sha256=str(outcome.sha256),
        value=outcome.value,
        params=run.params,
    )
    try:
        return _Test(*test_once(study, rebuilt, tested, url=export.url), None)
    except Untestable as error:
        return _Test(None, None, str(error))


def _show_in_dashboard(study: optuna.Study, folder: Path) -> None:
    for name in (PICTURE, WRONG_PICTURE, "README.md"):
        if (folder / name).is_file():
            upload_artifact(artifact_store=artifact_store(), file_path=str(folder / name), study_or_trial=study)
