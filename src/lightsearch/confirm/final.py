"""The chosen model handed over: its weights, an exported program, one test evaluation, a card."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.artifacts import upload_artifact

from lightsearch.confirm import card
from lightsearch.confirm.ranking import Confirmation
from lightsearch.confirm.record import CHECKPOINT, FACTS, PROGRAM, ClassFigures, Final, Program, read_final
from lightsearch.confirm.runs import Run, RunOutcome
from lightsearch.dashboard import artifact_store
from lightsearch.evaluation import Tested, test_once
from lightsearch.folders import study_folder, write_json, write_text
from lightsearch.storage import open_storage
from lightsearch.study import declaration_of, find_study

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule

    from lightsearch.confirm.display import Display
    from lightsearch.confirm.opened import Opened


def hand_over(
    opened: Opened, run: Run, outcome: RunOutcome, confirmation: Confirmation, output: Path, display: Display
) -> Final:
    """Tests the trained model and writes ``final/``; if that has been done with this very model, tells what it found.

    Args:
        opened: The study.
        run: The training.
        outcome: What became of it.
        confirmation: Why this configuration was chosen.
        output: The folder in which ``final/`` shall be.
        display: Where it is told.
    """
    there = read_final(output / "final")
    if there is not None and there.run == run and there.sha256 == outcome.sha256:
        display.message(f"this very model is in {output / 'final'} already; the test set is not used again")
        return there
    display.message("testing it once, and writing the model ...")
    final: Final = opened.server.call(
        _hand_over, opened.study.study_name, opened.url, opened.data_dir, run, outcome, confirmation, output
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
) -> Final:
    """The work, in a process that has torch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a test that has begun is counted, so it may as well end

    import torch

    from lightsearch import components
    from lightsearch.data import ImageData

    study = find_study(open_storage(url, create=False), name)
    declared = declaration_of(study)
    folder = run.folder(study_folder(name))
    staging = output / f".final-{os.getpid()}"
    staging.mkdir(parents=True)
    try:
        _write_weights(folder / str(outcome.checkpoint), staging / CHECKPOINT)
        model_class: Any = components.find_class(declared.model, "model")
        model = model_class.load_from_checkpoint(staging / CHECKPOINT, map_location="cpu", weights_only=True).eval()
        data: Any = components.build_data(declared, declared.space.split(run.params)["data"], data_dir)
        data.prepare_data()
        data.setup("fit")
        batch = next(iter(data.train_dataloader()))
        samples = batch[0] if isinstance(batch, list | tuple) else batch
        program = _export(model, samples, staging / PROGRAM)
        tested = Tested(
            why=f"retrain: {run.label} on {run.on}",
            trial=run.trial,
            checkpoint=str((folder / str(outcome.checkpoint)).relative_to(study_folder(name))),
            sha256=str(outcome.sha256),
            value=outcome.value,
            params=run.params,
        )
        torch.set_num_threads(max(1, outcome.threads))
        evaluation, confusion = test_once(study, model, tested, url=url, data_dir=data_dir)
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
            confusion=confusion,
            classes=class_figures(confusion, facts.get("classes")),
            program=program,
            versions=confirmation.versions,
            split_hash=facts.get("split_hash"),
            study_seed=declared.seed,
        )
        write_json(staging / FACTS, final.model_dump(mode="json"))
        if confusion is not None:
            write_text(staging / card.PICTURE, card.confusion_svg(confusion, [one.name for one in final.classes]))
        noun = "images" if isinstance(data, ImageData) else "samples"
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


def _write_weights(trained: Path, path: Path) -> None:
    """A checkpoint with what it takes to build the model, without the state of the training."""
    import torch

    whole = torch.load(trained, map_location="cpu", weights_only=True)
    training_only = ("optimizer_states", "lr_schedulers", "callbacks", "loops")
    torch.save({key: value for key, value in whole.items() if key not in training_only}, path)


def _export(model: LightningModule, samples: Any, path: Path) -> Program:
    """Writes the model as a program that needs none of its Python code, and checks that it says the same.

    Args:
        model: In evaluation mode.
        samples: (B, ...) a batch of training samples, for the shapes and for the check.
        path: The archive.
    """
    import torch

    try:
        with torch.no_grad():
            # A batch of two: exporting with one would make the size a constant.
            batch = torch.export.Dim("batch")
            exported = torch.export.export(model, (samples[:2],), dynamic_shapes=({0: batch},))
            torch.export.save(exported, path)
            program = torch.export.load(path).module()
            differences = []
            for size in {1, 3, len(samples)}:
                expected = model(samples[:size])
                torch.testing.assert_close(program(samples[:size]), expected)
                differences.append(float((program(samples[:size]) - expected).abs().max()))
    except Exception as error:  # whatever torch.export objects to in a model: the checkpoint is there without it
        path.unlink(missing_ok=True)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Program(file=None, reason=f"{type(error).__name__}: {reason[:300]}")
    return Program(file=path.name, largest_difference=max(differences))
