"""The dashboard: reachable from this machine alone, and shown by a real browser while a search writes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightsearch.report.dashboard import is_loopback
from tests.conftest import CHROMIUM, command, enter, start

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def listening(process: subprocess.Popen[str]) -> str:
    """The URL that it prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"dashboard (http://\S+/dashboard/)    Ctrl-C ends it", line)
    assert found, line + process.stdout.read()
    return found[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        place = enter(tmp_path_factory.mktemp("dashboard"), patch)
    ended = command("run", "--n-trials", 2, "--set", "trainer.max_epochs=2", cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    process = start("dashboard", "--port", 0, cwd=place)
    yield listening(process)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output == ""


def get(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> int:
    request = urllib.request.Request(url, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_it_serves_the_studies(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
    assert get(url) == 200
    with urllib.request.urlopen(url.replace("/dashboard/", "/api/studies"), timeout=20) as answer:
        assert b'"digits"' in answer.read()


def test_other_sites_pages_are_refused(url: str) -> None:
    api = url.replace("/dashboard/", "/api/studies")
    assert get(api, {"Host": "evil.example"}) == 403
    assert get(api, {"Origin": "http://evil.example"}, "POST") == 403
    assert get(api, {"Host": "localhost"}) == 200


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium here")
def test_a_browser_shows_it_while_a_search_writes(place: Path, url: str, tmp_path: Path) -> None:
    sync = pytest.importorskip("playwright.sync_api")
    search = start("run", "--n-trials", 400, "--pack", "off", "--set", "trainer.max_epochs=2", cwd=place)
    try:
        assert search.stdout is not None
        while not re.match(r"\[ *3/400\]", search.stdout.readline()):
            assert search.poll() is None
        with sync.sync_playwright() as playwright:
            browser = playwright.chromium.launch_persistent_context(
                tmp_path / "profile", executable_path=CHROMIUM, headless=True, args=FLAGS
            )
            page, complaints = browser.new_page(), []
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda sent: sent.url.startswith(url[:16]) or complaints.append(sent.url))
            page.goto(f"{url}studies/1/trials")
            page.get_by_text("Trial 2", exact=True).first.wait_for(timeout=60_000)
            page.goto(f"{url}studies/1/trials?numbers=0")  # of the first search: its note says why it ended
            page.get_by_text("Its files are in").first.wait_for(timeout=60_000)
            browser.close()
        assert search.poll() is None
    finally:
        os.killpg(search.pid, signal.SIGINT)
        output, _ = search.communicate(timeout=60)
    assert complaints == []
    assert "failed" not in output


def test_a_port_that_is_taken(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command("dashboard", "--port", port, cwd=place)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"--port = {port}: cannot listen on 127.0.0.1: ")


def test_a_warning_where_others_can_reach_it(place: Path) -> None:
    process = start("dashboard", "--port", 0, "--host", "0.0.0.0", cwd=place)
    assert "http://0.0.0.0:" in listening(process)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("WARNING: it has no login")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_no_storage(tmp_path: Path) -> None:
    ended = command("dashboard", cwd=tmp_path)
    assert ended.returncode == 2
    assert "no such file" in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local
