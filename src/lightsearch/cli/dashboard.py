"""``lightsearch dashboard``: all studies of the storage in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from lightsearch.cli.command import Storage, console


def main(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    storage: Storage = None,
) -> None:
    """Show the studies in a browser, also while a search runs. Ctrl-C ends it."""
    import contextlib

    from lightsearch.report.dashboard import address, is_loopback, make_dashboard
    from lightsearch.storage.opening import open_storage
    from lightsearch.storage.urls import storage_url

    screen = console()
    opened = open_storage(storage_url(storage), create=False)
    # Entered before the address is printed, since a user may then press Ctrl-C.
    with make_dashboard(opened, host=host, port=port) as server, contextlib.suppress(KeyboardInterrupt):
        screen.print(f"dashboard {address(server, host)}    Ctrl-C ends it", soft_wrap=True)
        if not is_loopback(host):
            screen.print(
                "WARNING: it has no login: everyone who reaches this address can read, change and delete every study.",
                soft_wrap=True,
            )
        server.serve_forever()
