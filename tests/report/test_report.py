"""The report: whatever the study holds, the files are written, nothing from outside is markup, the page is quiet."""

from __future__ import annotations

import base64
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from lightsearch.errors import UserError
from lightsearch.report import write_report
from lightsearch.report.comparison import write_comparison
from lightsearch.report.comparison.spent import best_so_far
from lightsearch.report.facts.facts import gather
from lightsearch.report.plots.curves import curves
from lightsearch.report.plots.panels import PANELS, Panel
from lightsearch.report.plots.plot import Plot
from lightsearch.report.tables.epoch_table import epoch_table
from tests.report.studies import EVIL, SPACE, fill, report


def test_the_result_and_its_uncertainty_come_first(study: optuna.Study, tmp_path: Path) -> None:
    fill(study, 30)
    page, summary = report(study, tmp_path)
    best = max(trial.value for trial in study.trials if trial.value is not None)
    assert summary["best"]["value"] == best
    assert summary["headline"] == f"The best of 30 finished trials reaches val_acc {100 * best:.1f}% ± 1.2."
    assert f"<h1>{summary['headline']}</h1>" in page
    assert summary["counts"] == {"complete": 20, "pruned": 10}
    assert {one["name"] for one in summary["importances"]} == set(SPACE)
    assert 'id="missing"' not in page


def test_people_read_epochs_from_1_and_machines_from_0(study: optuna.Study, tmp_path: Path) -> None:
    fill(study, 6, epochs=8)
    _, summary = report(study, tmp_path)
    assert summary["best"]["best_epoch"] == 7
    trials = (tmp_path / "report" / "trials.csv").read_text("utf-8").splitlines()
    best_epochs = [line.split(",")[trials[0].split(",").index("best_epoch")] for line in trials[1:]]
    assert best_epochs == ["7", "2", "7"] * 2
    markdown = (tmp_path / "report" / "summary.md").read_text("utf-8").splitlines()
    head = next(number for number, line in enumerate(markdown) if line.startswith("| trial |"))
    column = [cell.strip() for cell in markdown[head].split("|")].index("best epoch")
    assert markdown[head + 2].split("|")[column].strip() == "8"
    (plot,) = curves(gather(study), epoch_table(study))
    drawn = next(trace for trace in plot.data if trace["name"].startswith("best: trial"))
    assert np.frombuffer(base64.b64decode(drawn["x"]["bdata"]), "<i4").tolist() == list(range(1, 9))


def test_nothing_from_outside_is_markup(study: optuna.Study, tmp_path: Path) -> None:
    study.set_user_attr("versions", {EVIL: EVIL})
    fill(study, 40, kinds=("complete", "pruned", "user_error"))
    study.set_user_attr("metric", EVIL)
    study.set_user_attr("versions", {EVIL: EVIL})
    page, _ = report(study, tmp_path)
    assert page.count("<script") == 3 + page.count("'<script")  # the data, ours, Plotly's
    assert "<img src=x" not in page
    assert "onerror=alert(2)&gt;" in page
    assert "{{ 7*7 }}" in page  # said, not calculated
    markdown = (tmp_path / "report" / "summary.md").read_text("utf-8")
    assert "<img" not in markdown
    assert "](javascript" not in re.sub(r"\\.", "", markdown)


def test_underscores_within_words_are_no_markup(study: optuna.Study, tmp_path: Path) -> None:
    fill(study, 3)
    study.set_user_attr("versions", {"batch_size": "_emphasised_"})
    report(study, tmp_path)
    markdown = (tmp_path / "report" / "summary.md").read_text("utf-8")
    assert "val_acc" in markdown
    assert r"| batch_size | \_emphasised\_ |" in markdown


def test_a_retraining_is_said_if_it_is_of_this_study(study: optuna.Study, tmp_path: Path) -> None:
    fill(study, 3)
    trial, verdict = study.trials[0], "chosen: trial 0, val_acc 0.7"
    for params, said in ((trial.params, True), ({"lr": 5}, False)):
        found = {"verdict": verdict, "ranked": [{"trial": 0, "params": params}, {"trial": None, "params": {}}]}
        (tmp_path / "confirm.json").write_text(json.dumps(found), "utf-8")
        write_report(study, tmp_path, tmp_path / "none")
        for file in ("summary.json", "report.html"):
            assert (verdict in (tmp_path / file).read_text("utf-8")) == said


@pytest.mark.parametrize(
    ("n", "kinds", "headline"),
    [
        (0, (), "No trial of digits is complete yet."),
        (1, ("complete",), "The best of 1 finished trial reaches"),
        (5, ("user_error",), "No trial of digits is complete yet."),
        (5, ("pruned",), "No trial of digits is complete yet."),
    ],
)
def test_what_cannot_be_shown_is_said(
    study: optuna.Study, tmp_path: Path, n: int, kinds: tuple[str, ...], headline: str
) -> None:
    if n:
        fill(study, n, kinds=kinds)
    page, summary = report(study, tmp_path)
    assert summary["headline"].startswith(headline)
    assert "Importance of the parameters: it takes 10 complete trials, and there" in page


def test_while_the_search_runs(study: optuna.Study, tmp_path: Path) -> None:
    fill(study, 12)
    running = study.ask(SPACE)
    running.report(0.5, 0)
    page, summary = report(study, tmp_path)
    assert summary["counts"]["running"] == 1
    assert "1 trial is running" in page


def test_a_study_of_another_program(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="../../<b>other</b>")
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2 + trial.suggest_int("n", 0, 3), n_trials=15)
    study.add_trial(create_trial(value=math.inf, params={}, distributions={}))
    study.set_user_attr("fingerprint", "mine")
    study.set_user_attr("runs", 7)
    page, summary = report(study, tmp_path)
    assert summary["direction"] == "minimize"
    assert summary["best"]["value"] == min(trial.values[0] for trial in study.trials)
    assert "&lt;b&gt;other&lt;/b&gt;" in page


def test_output_that_cannot_be_written(study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(
        "lightsearch.report.tables.trial_table.trial_table", lambda _: pytest.fail("worked before it looked")
    )
    with pytest.raises(UserError, match="--output"):
        write_report(study, tmp_path / "file" / "report")
    if Path("/proc/self").exists():
        with pytest.raises(UserError, match="--output"):
            write_report(study, Path("/proc/report"))


def test_values_without_end_are_no_obstacle(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="functions", direction="maximize")
    for values in ([1.0, math.inf, 2.0], [math.nan, 0.5], [3.0], []):
        trial = study.ask({"x": FloatDistribution(0, 1)})
        for step, value in enumerate(values):
            trial.report(value, step)
        study.tell(trial, values[-1] if values else 0.1)
    page, summary = report(study, tmp_path)
    assert summary["best"]["value"] == 3.0
    assert '<section id="curves"' in page
    write_comparison([study, optuna.create_study(study_name="empty", direction="maximize")], tmp_path / "both")
    found = best_so_far(gather(study))
    assert [one.best for one in found] == [2.0, 3.0, 3.0]
    assert found[-1].epochs == 3 + 2 + 1 + 1


def test_figures_are_plotly_figures(study: optuna.Study, tmp_path: Path) -> None:
    from plotly import graph_objects

    fill(study, 30)
    page, _ = report(study, tmp_path)
    found = re.search(r'id="data">(.*?)</script>', page)
    assert found
    data = json.loads(re.sub("\ue000[a-z-]+", "#336699", found[1]))
    assert len(data["figures"]) == 2 + 1 + 1 + math.comb(len(SPACE), 2) + len(SPACE) + 1 + 1
    for figure in data["figures"]:
        graph_objects.Figure(data=figure["data"], layout=figure["layout"])


def test_a_plot_is_added_in_one_place(study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(study, 3)
    mine = Panel("mine", "My plot", "What it shows.", lambda facts, epochs: [Plot("My plot in words.", [], {})])
    monkeypatch.setattr("lightsearch.report.page.render.PANELS", (*PANELS, mine))
    page, _ = report(study, tmp_path)
    assert '<section id="mine"' in page
    assert 'aria-label="My plot in words."' in page


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "search.report", *arguments],
        cwd=cwd, env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_command(study: optuna.Study, tmp_path: Path) -> None:
    fill(study, 3)
    storage = f"sqlite:///{tmp_path}/studies.db"
    done = command("--study", "digits", "--storage", storage, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The best of 3 finished trials reaches val_acc")
    assert (tmp_path / "reports" / "digits" / "report.html").exists()
    for arguments, words in (
        (("--study", "digit"), 'did you mean "digits"?'),
        (("--study", "../x"), "use at most 64 letters"),
        (("--study", "digits", "--output", f"{tmp_path}/studies.db/x"), "--output"),
    ):
        failed = command(*arguments, "--storage", storage, cwd=tmp_path)
        assert (failed.returncode, failed.stdout) == (2, "")
        assert len(failed.stderr.splitlines()) == 1
        assert words in failed.stderr


def test_neither_torch_nor_lightning(study: optuna.Study, tmp_path: Path) -> None:
    code = (
        "import sys, optuna; from pathlib import Path; from lightsearch.report import write_report; "
        "write_report(optuna.create_study(), Path(sys.argv[1])); "
        "sys.exit(bool({'torch', 'pytorch_lightning', 'lightning'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "report")], check=False).returncode == 0
