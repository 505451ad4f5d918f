"""The final model exported: files that load, a program with the same outputs, one test evaluation."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import pytorch_lightning
import torch
from rich.console import Console

import lightsearch
from lightsearch import Classifier
from lightsearch.confirm import card, record
from lightsearch.confirm.class_figures import class_figures
from lightsearch.confirm.confusion_picture import confusion_svg
from lightsearch.confirm.display import RetrainDisplay
from lightsearch.confirm.evaluation import evaluate
from lightsearch.confirm.final import FinalExport, export_final
from lightsearch.confirm.program import export_program
from lightsearch.confirm.runs import RunOutcome
from lightsearch.data import ImageData
from lightsearch.errors import Untestable
from lightsearch.outcome import Kind
from tests.conftest import command, enter
from tests.points import Net, Untested

QUICK = ("--set", "trainer.max_epochs=3", "--set", "pruner={name='NopPruner'}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search of three trials, and its best configuration retrained with two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("final"), patch)
    for name, *arguments in (("run", "--n-trials", 3, *QUICK), ("retrain", "--top", 1, "--seeds", 2)):
        ended = command(name, *arguments, cwd=place)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    (place / "output.txt").write_text(ended.stdout)
    return place


@pytest.fixture(scope="module")
def exported(place: Path) -> Path:
    return place / "reports" / "digits" / "final"


@pytest.fixture(scope="module")
def facts(exported: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((exported / "final.json").read_text())
    return content


def test_wrong_answers_are_in_the_card_and_on_the_page(place: Path, exported: Path) -> None:
    picture = (exported / "wrong-answers.svg").read_bytes()
    assert b"data:image/png;base64," in picture
    assert "(wrong-answers.svg)" in (exported / "README.md").read_text()
    assert command("report", cwd=place).returncode == 0
    page = (place / "reports" / "digits" / "report.html").read_text()
    assert base64.b64encode(picture).decode() in page


def evaluations(place: Path) -> list[dict[str, Any]]:
    study = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="digits")
    found: list[dict[str, Any]] = study.user_attrs["test_evaluations"]
    return found


def test_the_files(exported: Path) -> None:
    assert {file.name for file in exported.iterdir()} == {
        "README.md",
        "confusion.svg",
        "final.json",
        "model.ckpt",
        "model.pt2",
        "wrong-answers.svg",
    }


def test_the_program_reproduces_the_models_logits(exported: Path) -> None:
    model = Classifier.load_from_checkpoint(exported / "model.ckpt", weights_only=True, map_location="cpu").eval()
    program = torch.export.load(exported / "model.pt2").module()
    for size in (1, 2, 7, 300):
        images = torch.rand(size, 1, 8, 8)
        torch.testing.assert_close(program(images), model(images))


def test_the_checkpoint_holds_no_training_state(exported: Path) -> None:
    assert not {"optimizer_states", "callbacks", "loops"} & set(torch.load(exported / "model.ckpt"))


def test_what_is_known_of_it_agrees(place: Path, facts: dict[str, Any]) -> None:
    evaluation, confusion = facts["evaluation"], torch.tensor(facts["confusion"])
    assert evaluation["n_test"] == confusion.sum() == 359
    accuracy = evaluation["metrics"]["test_acc"]
    assert accuracy == pytest.approx(confusion.diag().sum() / 359)
    low, high = evaluation["intervals"]["test_acc"]
    assert low < accuracy < high
    assert evaluation["value"] is None
    assert facts["run"]["on"] == "train+val"
    assert facts["epochs"] == facts["run"]["epochs"]
    assert [one["name"] for one in facts["classes"]] == [str(digit) for digit in range(10)]
    assert sum(one["samples"] for one in facts["classes"]) == 359
    assert {"python", "torch", "lightsearch"} <= facts["versions"].keys()
    assert facts["program"] == {"file": "model.pt2", "largest_difference": pytest.approx(0, abs=1e-5), "reason": None}
    assert evaluations(place)[0] == evaluation


def test_it_was_trained_on_all_images_but_those_of_the_test(place: Path, facts: dict[str, Any]) -> None:
    data = ImageData(split_seed=42)
    assert len(data.train_dataloader().labels) == 1150
    data.join_val()
    assert len(data.train_dataloader().labels) == 1438
    folder = place / "studies" / "digits" / Path(facts["evaluation"]["checkpoint"]).parent
    header, *rows = (folder / "epochs.csv").read_text().splitlines()
    assert "val_" not in header
    assert len(rows) == facts["epochs"]


def test_the_same_command_again_does_not_use_the_test_set(place: Path) -> None:
    before = evaluations(place)
    ended = command("retrain", "--top", 1, "--seeds", 2, cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the test set is not used again" in ended.stdout
    assert evaluations(place) == before


@pytest.mark.slow
def test_another_retraining_and_an_evaluation_are_counted(place: Path) -> None:
    ordinal = len(evaluations(place)) + 1
    ended = command("retrain", "--trial", 0, "--seeds", 1, "--on", "train", "--output", "other", cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"This is evaluation number {ordinal} of this study's test set" in ended.stdout
    last = evaluations(place)[-1]
    assert (last["ordinal"], last["why"], last["trial"]) == (ordinal, "retrain: trial 0 on train", 0)
    assert last["value"] is not None
    assert f"use number {ordinal} of the study's test set" in (place / "other" / "final" / "README.md").read_text()
    ended = command("evaluate", cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [one["ordinal"] for one in evaluations(place)] == list(range(1, ordinal + 2))
    kept = json.loads((place / "studies" / "digits" / "test_evaluations.json").read_text())
    assert kept == evaluations(place)


def test_the_dashboard_has_the_card(place: Path) -> None:
    study = optuna.load_study(storage=f"sqlite:///{place}/studies/studies.db", study_name="digits")
    names = {artifact.filename for artifact in optuna.artifacts.get_all_artifact_meta(study)}
    assert names == {"README.md", "confusion.svg", "wrong-answers.svg"}


def test_the_card(exported: Path, facts: dict[str, Any]) -> None:
    text = (exported / "README.md").read_text()
    assert f"**test_acc {facts['evaluation']['metrics']['test_acc']:.2%}**" in text
    assert "from lightsearch import Classifier" in text
    assert "This was the first use of the study's test set." in text


@pytest.mark.slow
def test_a_damaged_final_checkpoint_is_trained_again(place: Path, facts: dict[str, Any]) -> None:
    checkpoint = place / "studies" / "digits" / facts["evaluation"]["checkpoint"]
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    ended = command("retrain", "--top", 1, "--seeds", 2, cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads((place / "reports" / "digits" / "final" / "final.json").read_text())["epochs"] == facts["epochs"]
    assert len(checkpoint.read_bytes()) > len(whole) // 2


def test_the_picture_escapes_names() -> None:
    names = ["<script>", 'a&b"', "a class with a long name"]
    picture = confusion_svg([[5, 1, 0], [0, 4, 0], [2, 0, 3]], names)
    ElementTree.fromstring(picture)
    assert "<script>" not in picture


def test_figures_of_a_class() -> None:
    first, second = class_figures([[8, 2], [0, 0]], ["cat", "dog"])
    assert (first.samples, first.recall, first.precision) == (10, 0.8, 1.0)
    earlier = {**first.model_dump(exclude={"samples"}), "images": 10}  # as it was called once
    assert record.ClassFigures.model_validate(earlier) == first
    assert (second.samples, second.recall, second.precision) == (0, None, 0.0)


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    assert not record.is_foreign(tmp_path / "final")
    (tmp_path / "final").mkdir()
    assert not record.is_foreign(tmp_path / "final")
    (tmp_path / "final" / "thesis.tex").touch()
    assert record.is_foreign(tmp_path / "final")


class Branching(pytorch_lightning.LightningModule):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images if float(images.sum()) > 0 else -images


def test_a_model_that_cannot_be_exported_has_no_program(tmp_path: Path) -> None:
    program = export_program(Branching(), torch.rand(4, 3), tmp_path / "model.pt2")
    assert program.file is None
    assert program.reason
    assert not (tmp_path / "model.pt2").exists()


def models_of(card: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the code of a model card makes, executed in its folder."""
    monkeypatch.chdir(card.parent)
    models = []
    for code in re.findall(r"```python\n(.*?)```", card.read_text(), re.DOTALL):
        names: dict[str, Any] = {}
        exec(code, names)
        models.append(names["model"])
    return models


def test_the_cards_code_works(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, program = models_of(exported / "README.md", monkeypatch)
    images = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(program(images), model(images))


@pytest.mark.slow
def test_without_test_samples_the_model_is_exported_untested(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    declared = {
        "name": "untested",
        "model": Net,
        "data": Untested,
        "space": {"model": {"activation": {"choice": ["tanh"]}}},
        "trainer": {"max_epochs": 3, "accelerator": "cpu"},
    }
    result = lightsearch.search(declared, 1, workers=0)
    line = "data.class_path = 'Untested': has no test set; give it a test_dataloader"
    with pytest.raises(Untestable, match=line):
        evaluate("untested", url="sqlite:///studies/studies.db", data_dir=None)
    ended = command("retrain", "--study", "untested", "--top", 1, "--seeds", 1, cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.index(f"{line}; the final model will not be tested") < ended.stdout.index("[1/")
    assert f"is untested: {line}" in ended.stdout
    assert "test_evaluations" not in result.study.user_attrs
    folder = place / "reports" / "untested" / "final"
    facts = json.loads((folder / "final.json").read_text())
    assert (facts["evaluation"], facts["untested"]) == (None, line)
    assert f"**Untested**: {line}." in (folder / "README.md").read_text()
    model, program = models_of(folder / "README.md", monkeypatch)
    assert model.activation == "tanh"  # which is not its default, and it saves no hyperparameters
    points = torch.rand(3, 2)
    torch.testing.assert_close(program(points), model(points))

    # The same command again finds it there; with test samples, given meanwhile, it would be tested.
    there = record.read_final(folder)
    assert there is not None
    outcome = RunOutcome(number=0, kind=Kind.COMPLETE, sha256=there.sha256)
    nothing: Any = None
    done = FinalExport(nothing, "sqlite://", None, there.run, outcome, nothing, folder.parent, untested=line)
    silent = RetrainDisplay(Console(quiet=True))
    assert export_final(done, nothing, silent) == there
    with pytest.raises(AttributeError, match="call"):
        export_final(replace(done, untested=None), nothing, silent)


def test_a_card_says_what_a_checkpoint_does_not_bring_back(facts: dict[str, Any]) -> None:
    final = record.Final.model_validate(facts)

    def said(**weights: Any) -> str:
        changes = {"weights": record.Weights(**weights), "arguments": {"width": "4", "scale": "<Scale object>"}}
        return "\n".join(card.describe_loading(final.model_copy(update=changes), "mine.Net"))

    assert "`mine` is `studies/mine.py` of the folder" in said(source="studies/mine.py")
    assert "weights_only=True, scale=...)" in said(needs=["scale"])
    assert "`scale` (here `<Scale object>`)" in said(needs=["scale"])
    assert "other than in the tested model are `a`, `b`, `c`, `d`, `e`, ..." in said(differs=list("abcdef"))
    assert "cannot load `model.ckpt`: `KeyError: x`" in said(error="KeyError: x")
    assert "built as `Net(width=4, scale=<Scale object>)`" in said(error="KeyError: x")


def test_a_card_tells_what_each_test_loader_found(facts: dict[str, Any]) -> None:
    final = record.Final.model_validate(facts)
    assert final.evaluation is not None

    def said(**found: Any) -> list[str]:
        evaluation = final.evaluation.model_copy(update={"intervals": {}, "sizes": [], **found})  # type: ignore[union-attr]
        return card.describe_test(final.model_copy(update={"evaluation": evaluation}), "images")

    one, two = "test_acc/dataloader_idx_0", "test_acc/dataloader_idx_1"
    lines = said(metrics={one: 0.5, two: 0.25}, sizes=[4, 4], intervals={one: (0.4, 0.6)})
    assert lines[:2] == [f"- {one}: 0.5 (95% interval 0.4 to 0.6)", f"- {two}: 0.25"]
    assert said(metrics={"test_acc": 97.5})[0] == "- test_acc: 97.5"
