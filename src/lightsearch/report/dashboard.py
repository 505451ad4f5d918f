"""optuna-dashboard on a study's storage, for this machine's browser."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import BaseStorage

from lightsearch.errors import Mistake, UserError
from lightsearch.paths import STUDIES

ARTIFACTS = STUDIES / ".artifacts"
"""Files that the dashboard shows with a study or a trial; no study can have this name."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application (PEP 3333)."""


class Server(ThreadingMixIn, WSGIServer):
    """One thread per request; the threads end with the process."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A browser that leaves a page closes its connections before the answer is complete, which is no error.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def make_dashboard(storage: BaseStorage, *, host: str, port: int) -> Server:
    """Creates a server that listens; it answers once ``serve_forever`` is called.

    Args:
        storage: The opened storage.
        host: Address to listen on.
        port: Port to listen on; 0: a free one.

    Raises:
        UserError: if the address is not available.
    """
    import optuna_dashboard

    application: Application = optuna_dashboard.wsgi(storage, artifact_store())
    return serve_on(local_only(application) if is_loopback(host) else application, host=host, port=port)


def serve_on(application: Application, *, host: str, port: int) -> Server:
    """Creates a server that listens.

    Raises:
        UserError: if the address is not available.
    """
    server_class: type[Server] = Server
    if ":" in host:
        server_class = type("Server6", (Server,), {"address_family": socket.AF_INET6})
    try:
        return make_server(host, port, application, server_class=server_class, handler_class=_QuietHandler)
    except OSError as error:
        option, value = ("--host", host) if isinstance(error, socket.gaierror) else ("--port", port)
        raise UserError(Mistake(option, value, f"cannot listen on {host}: {error.strerror}; name another")) from error


def artifact_store() -> FileSystemArtifactStore:
    """The store of the studies' artifacts."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return FileSystemArtifactStore(ARTIFACTS)


def address(server: Server, host: str) -> str:
    """The URL to open."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{server.server_port}/dashboard/"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def local_only(application: Application) -> Application:
    """The application, with every request refused that neither its own page nor a person has made.

    Any page of the web can make a browser send requests to this machine: under a host name that resolves to the
    loopback address, or from its own origin in order to write. The ``Host`` and ``Origin`` headers show both.
    """

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        origin = environ.get("HTTP_ORIGIN")
        named = urlsplit(f"//{host}").hostname or ""
        if not is_loopback(named) or (origin is not None and urlsplit(origin).netloc != host):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"It answers this machine only.\n"]
        return application(environ, start_response)

    return guarded


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass  # one line per request would push the address off the screen

    def address_string(self) -> str:
        return str(self.client_address[0])  # without a DNS look-up
