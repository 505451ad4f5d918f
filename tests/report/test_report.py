"""The report: whatever the study holds, the files are written, nothing from outside is markup, the page is quiet."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from lightsearch.errors import UserError
from lightsearch.report import FILES, write_report
from lightsearch.report.plots.panels import PANELS, Panel
from lightsearch.report.plots.plot import Plot
from tests.conftest import CHROMIUM

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>`|[a](javascript:alert(3)) %{y} {{ 7*7 }}"
SPACE: dict[str, BaseDistribution] = {
    "hidden_size": IntDistribution(16, 512, log=True),
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "dropout": FloatDistribution(0, 0.5),
    "activation": CategoricalDistribution(("relu", EVIL)),
}


def fill(
    study: optuna.Study, n: int, *, epochs: int = 8, kinds: tuple[str, ...] = ("complete", "pruned", "complete")
) -> None:
    """Adds n trials as a search would have left them; the kinds take turns."""
    rng, now = random.Random(0), datetime.now() - timedelta(hours=2)
    attrs: dict[str, Any] = {
        "uid": "0" * 32, "metric": "val_acc", "device": "x86_64", "versions": {"python": "3.11", "torch": "2.14"},
        "data": {"dataset": "digits", "n_train": 1150, "n_val": 288, "split_hash": "8c49", "classes": ["0", "1"]},
        "fingerprint": {"seed": 42, "metric": "val_acc", "direction": "maximize", "trainer": {"max_epochs": epochs}},
        "runs": [{"started": time.time() - 7200, "seconds": 60.0, "workers": 2, "ending": "done"}],
    }  # fmt: skip
    for key, value in attrs.items():
        study.set_user_attr(key, value)
    for number in range(n):
        kind, rate = kinds[number % len(kinds)], 10 ** rng.uniform(-4, -1)
        params = {"hidden_size": rng.randint(16, 512), "learning_rate": rate, "dropout": rng.uniform(0, 0.5)}
        params["activation"] = ("relu", EVIL)[number % 2]
        top = 0.97 - 0.03 * (math.log10(rate) + 2.5) ** 2
        curve = {epoch: top - 0.5 * math.exp(-epoch / 2) for epoch in range(epochs if kind == "complete" else 3)}
        state = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(kind, TrialState.FAIL)
        best = max(curve, key=lambda epoch: curve[epoch])
        told = {
            "number": number, "attempt": 1, "value": curve[best], "best_epoch": best, "epochs": len(curve),
            "seed": number,
            "stop_reason": "max_epochs", "metrics": {"val_acc": curve[best], "val_loss": 0.1}, "seconds": 2.0,
            "checkpoint": None, "sha256": None, "device": "cpu",
            "error": {"type": "RuntimeError", "message": EVIL, "traceback": EVIL} if state is TrialState.FAIL else None,
        }  # fmt: skip
        trial = create_trial(
            state=state,
            params=params,
            distributions=SPACE,
            intermediate_values=curve,
            value=curve[best] if state is TrialState.COMPLETE else None,
            user_attrs={"kind": kind, "result": told, "attempt": 1},
        )
        trial.datetime_start = now + timedelta(seconds=number // 2 * 3)
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=2)
        study.add_trial(trial)


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    storage = f"sqlite:///{tmp_path}/studies.db"
    return optuna.create_study(study_name="digits", storage=storage, direction="maximize")


def report(study: optuna.Study, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """The page and the summary."""
    write_report(study, tmp_path / "report", tmp_path / "none")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(FILES)
    summary: dict[str, Any] = json.loads((tmp_path / "report" / "summary.json").read_text("utf-8"))
    return (tmp_path / "report" / "report.html").read_text("utf-8"), summary


def test_the_result_and_its_uncertainty_come_first(study: optuna.Study, tmp_path: Path) -> None:
    fill(study, 30)
    page, summary = report(study, tmp_path)
    best = max(trial.value for trial in study.trials if trial.value is not None)
    assert summary["best"]["value"] == best
    assert summary["headline"] == f"The best of 30 finished trials reaches val_acc {100 * best:.1f}% ± 1.2."
    assert f"<h1>{summary['headline']}</h1>" in page
    assert summary["counts"] == {"complete": 20, "pruned": 10}
    assert {one["name"] for one in summary["importances"]} == set(SPACE)
    assert 'class="missing">Not shown' not in page


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
    assert "Not shown: it takes 10 complete trials, and there" in page


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


def test_figures_are_plotly_figures(study: optuna.Study, tmp_path: Path) -> None:
    from plotly import graph_objects

    fill(study, 30)
    page, _ = report(study, tmp_path)
    found = re.search(r'id="data">(.*?)</script>', page)
    assert found
    data = json.loads(re.sub("\ue000[a-z-]+", "#336699", found[1]))
    assert len(data["figures"]) == 6 + len(SPACE) + 1
    for figure in data["figures"]:
        graph_objects.Figure(data=figure["data"], layout=figure["layout"])


def test_a_plot_is_added_in_one_place(study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(study, 3)
    mine = Panel("mine", "My plot", "What it shows.", lambda facts, epochs: [Plot("My plot in words.", [], {})])
    monkeypatch.setattr("lightsearch.report.page.PANELS", (*PANELS, mine))
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


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A function that opens a page of a width and a colour scheme, offline, and notes what it complains of."""
    sync = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync"]  # fmt: skip
    with sync.sync_playwright() as playwright:
        opened = []

        def visit(file: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
            profile = tmp_path / f"profile-{len(opened)}"
            context = playwright.chromium.launch_persistent_context(
                profile, executable_path=CHROMIUM, headless=True, args=arguments, color_scheme=scheme,
                viewport={"width": width, "height": 900},
            )  # fmt: skip
            opened.append(context)
            page, complaints = context.new_page(), []
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: complaints.append(request.url) if request.url[:4] == "http" else None)
            page.on("dialog", lambda dialog: (complaints.append("a dialog"), dialog.dismiss()))
            page.goto(file.as_uri())
            return page, complaints

        yield visit
        for context in opened:
            context.close()
        for profile in tmp_path.glob("profile-*"):
            shutil.rmtree(profile, ignore_errors=True)


DRAWN = "[...document.querySelectorAll('.plot')].every(plot => 'drawn' in plot.dataset)"


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), pytest.param(390, "dark", marks=pytest.mark.slow)])
def test_page_in_a_browser(study: optuna.Study, tmp_path: Path, browser: Any, width: int, scheme: str) -> None:
    fill(study, 40, kinds=("complete", "pruned", "complete", "user_error"))
    report(study, tmp_path)
    page, complaints = browser(tmp_path / "report" / "report.html", width, scheme)
    for _ in range(40):
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(50)
    page.wait_for_function(DRAWN, timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".plot .main-svg").count() >= 11
    # The table: all rows, sorted by value on a click, the other way on the next; one kind.
    assert page.locator("#table tbody tr").count() == 40
    page.get_by_role("button", name="val_acc").click()
    first = page.locator("#table tbody tr td").nth(2).inner_text()
    best = max(trial.value for trial in study.trials if trial.value is not None)
    assert first == f"{100 * best:.2f}%"
    page.select_option("#kinds", "user_error")
    assert page.locator("#table tbody tr").count() == 10
    assert page.locator("#shown").inner_text() == "10 of 40"
    # The plots follow the theme.
    other = "light" if scheme == "dark" else "dark"
    before = page.locator(".plot .xtick text").first.evaluate("text => text.style.fill")
    page.emulate_media(color_scheme=other)
    page.wait_for_function(
        "before => document.querySelector('.plot .xtick text').style.fill !== before", arg=before, timeout=30_000
    )
    assert complaints == []


def test_empty_page_in_a_browser(study: optuna.Study, tmp_path: Path, browser: Any) -> None:
    report(study, tmp_path)
    page, complaints = browser(tmp_path / "report" / "report.html", 1400, "light")
    assert page.locator("h1").inner_text() == "No trial of digits is complete yet."
    assert page.locator(".missing").count() >= 9
    assert complaints == []
