"""The page that is served: it follows the study, and shows the files of its trials and no others."""

from __future__ import annotations

import re
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import pytest

from lightsearch.report import live
from lightsearch.report.live import LiveReport, make_live
from tests.conftest import start
from tests.report.studies import SPACE, fill


@pytest.fixture
def url(study: optuna.Study, tmp_path: Path) -> Iterator[str]:
    """The address of a report of 6 trials, the last of which has a log."""
    fill(study, 6)
    folder = tmp_path / "digits"
    (folder / "trial-0005").mkdir(parents=True)
    (folder / "trial-0005" / "log.txt").write_text("<script>alert(1)</script>", encoding="utf-8")
    (folder / "trial-0005" / "é.txt").write_text("é", encoding="utf-8")
    (folder / "trial-0005" / ".worker.json").write_text("{}", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("", encoding="utf-8")
    with make_live(LiveReport(lambda: study, folder), port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def get(url: str, **headers: str) -> tuple[int, str, str]:
    """The status, the type and the text of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], ""


def test_the_page_follows_the_study(study: optuna.Study, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REFRESH_SECONDS", 0)
    assert "The best of 6 finished trials" in get(url)[2]
    running = study.ask(SPACE)
    running.report(0.5, 0)
    page = get(url)[2]
    assert "1 trial is running" in page
    assert "trial-0005/log.txt" in page


def test_a_storage_that_is_away_does_not_end_the_view(tmp_path: Path) -> None:
    def load() -> optuna.Study:
        raise OSError("<gone>")

    report = LiveReport(load, tmp_path)
    page = b"".join(report({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)).decode()
    assert 'http-equiv="refresh"' in page
    assert "The study cannot be read: &lt;gone&gt;" in page


def test_files_of_trials_and_no_others(url: str) -> None:
    assert get(f"{url}trial-0005/log.txt") == (200, "text/plain; charset=utf-8", "<script>alert(1)</script>")
    for path in (
        "trial-0005/.worker.json",
        "trial-0005/../../secret.txt",
        "secret.txt",
        "trial-0005",
        "trial-9/x",
        "trial-0005/%00",
    ):
        assert get(url + path)[0] == 404
    assert get(f"{url}trial-0005/{quote('é.txt')}")[2] == "é"
    assert get(url, Host="evil.example")[0] == 403
    assert get(url, Origin="http://evil.example")[0] == 403


def test_a_browser_loads_it_again(study: optuna.Study, url: str, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REFRESH_SECONDS", 1)
    page, complaints = browser(url, 1300, "light")
    page.locator("#query").fill("complete")
    assert page.locator("#shown").inner_text() == "4 of 6"
    study.add_trial(study.trials[0])
    page.wait_for_function("document.getElementById('shown')?.textContent === '5 of 7'", timeout=60_000)
    assert page.locator("#query").input_value() == "complete"
    assert complaints == []


def test_command(study: optuna.Study, tmp_path: Path) -> None:
    fill(study, 3)
    storage = f"sqlite:///{tmp_path}/studies.db"
    process = start("report", "--live", "--study", "digits", "--storage", storage, cwd=tmp_path)
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.match(r"report (http://127\.0\.0\.1:\d+/)    Ctrl-C ends it", said)
    assert found, said
    assert "The best of 3 finished trials" in get(found[1])[2]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not (tmp_path / "reports").exists()
