"""The page of a study while its search runs, served to this machine's browser."""

from __future__ import annotations

import mimetypes
import threading
import time
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightsearch.errors import first_line
from lightsearch.report.dashboard import Server, local_only, serve_on

if TYPE_CHECKING:
    import optuna

REFRESH_SECONDS = 10
"""The page is loaded again after this time."""

NOT_READ = '<!doctype html><meta http-equiv="refresh" content="{}"><title>report</title><p>The study cannot be read: {}'


class LiveReport:
    """A WSGI application: ``/`` is the page as the study is now, ``/trial-0007/log.txt`` a file of a trial.

    Args:
        load: Returns the study with its present trials.
        folder: The study's folder; None if it has none.
    """

    def __init__(self, load: Callable[[], optuna.Study], folder: Path | None) -> None:
        self._load, self._folder = load, folder
        self._lock = threading.Lock()
        self._page, self._made = b"", -float("inf")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if environ.get("REQUEST_METHOD") != "GET":
            return _answer(start_response, "405 Method Not Allowed", "text/plain", b"GET alone is answered.\n")
        if path == "/":
            return _answer(start_response, "200 OK", "text/html; charset=utf-8", self._current())
        try:
            # The server decodes paths as latin-1 (PEP 3333).
            file = self._file(path.encode("latin-1").decode())
            content = None if file is None else file.read_bytes()
        except (OSError, ValueError):
            file = content = None
        if file is None or content is None:
            return _answer(start_response, "404 Not Found", "text/plain", b"There is no such file.\n")
        # Text is shown, whatever is in it: nothing that a trial wrote is run as a page.
        kind = mimetypes.guess_type(file.name)[0] or ""
        shown = (
            "text/plain; charset=utf-8"
            if kind.startswith("text/") or kind == "application/json"
            else "application/octet-stream"
        )
        return _answer(start_response, "200 OK", shown, content)

    def _current(self) -> bytes:
        """The page, not older than half the time after which it is loaded again. While the study cannot be read, the
        last one, or a page that says why and is loaded again."""
        from lightsearch.report.facts.facts import gather
        from lightsearch.report.page.render import page
        from lightsearch.report.page.trials import Files
        from lightsearch.report.tables.epoch_table import epoch_table

        with self._lock:
            if time.monotonic() - self._made <= REFRESH_SECONDS / 2:
                return self._page
            try:
                study = self._load()
                files = Files(self._folder, self._folder) if self._folder is not None else None
                text = page(gather(study), epoch_table(study, self._folder), files, refresh=REFRESH_SECONDS)
            except Exception as error:  # a storage that is away for a moment may not end the view
                return self._page or NOT_READ.format(REFRESH_SECONDS, escape(first_line(error))).encode()
            self._page, self._made = text.encode(), time.monotonic()
            return self._page

    def _file(self, path: str) -> Path | None:
        """A file of a trial; None if there is none, or the path leads elsewhere."""
        if self._folder is None or not path.startswith("/trial-"):
            return None
        root = self._folder.resolve()
        file = (root / path.removeprefix("/")).resolve()
        hidden = any(part.startswith(".") for part in path.split("/"))
        return file if file.is_file() and file.is_relative_to(root) and not hidden else None


def make_live(report: LiveReport, *, port: int) -> Server:
    """Creates a server on the loopback address; it answers once ``serve_forever`` is called.

    Args:
        report: The report.
        port: Port to listen on; 0: a free one.

    Raises:
        UserError: if the port is not available.
    """
    return serve_on(local_only(report), host="127.0.0.1", port=port)


def _answer(start_response: Callable[..., Any], status: str, kind: str, body: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    start_response(status, [*headers, ("X-Content-Type-Options", "nosniff")])
    return [body]
