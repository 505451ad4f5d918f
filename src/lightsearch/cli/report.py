"""``lightsearch report``: tables, summaries and a page about a study, or a page that compares several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightsearch.cli.command import Storage, console, study_name

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage


def main(
    study: Annotated[
        list[str] | None,
        typer.Option(
            help="The study's name, or its file (studies/NAME.toml). Given several times: a page compares the studies.",
            show_default="digits",
        ),
    ] = None,
    storage: Storage = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to (else reports/NAME).", metavar="DIR", show_default=False)
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Write nothing. Serve the page until Ctrl-C, as the study is by then.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of --live; 0: a free one.")] = 0,
) -> None:
    """Write a study's tables (CSV, Parquet), its summaries (JSON, Markdown) and its page (HTML)."""
    from lightsearch.errors import Mistake, UserError
    from lightsearch.report import check_output
    from lightsearch.storage.opening import open_storage
    from lightsearch.storage.urls import storage_url

    names = [study_name(one) for one in study or ["digits"]]
    url = storage_url(storage)
    if live and len(names) > 1:
        raise UserError(Mistake("--live", "", "shows one study; name one, or leave --live out"))
    if live and output is not None:
        raise UserError(Mistake("--live", "", "writes nothing; leave --output out"))
    folder = output if output is not None else Path("reports") / "+".join(names)
    if not live:
        check_output(folder)
    opened = open_storage(url, create=False)
    studies = [_load(opened, name) for name in names]
    if live:
        _serve(opened, names[0], port, open_page=open_page)
    elif len(studies) > 1:
        _compare(studies, folder)
    else:
        _write(studies[0], folder)
    if open_page and not live:
        typer.launch((folder.absolute() / "report.html").as_uri())


def _load(storage: BaseStorage, name: str) -> optuna.Study:
    import optuna

    from lightsearch.errors import Mistake, UserError, did_you_mean

    known = optuna.get_all_study_names(storage)
    if name not in known:
        raise UserError(Mistake("--study", name, f"no such study; {did_you_mean(name, known)}"))
    return optuna.load_study(study_name=name, storage=storage)


def _write(study: optuna.Study, folder: Path) -> None:
    from lightsearch.report import write_report

    said = write_report(study, folder)
    screen = console()
    screen.print(said["headline"], markup=False, soft_wrap=True)
    screen.print(said["note"], markup=False, soft_wrap=True)
    screen.print(f"\nfindings   {said['findings']}, see summary.md", markup=False)
    screen.print(f"page       {folder.absolute() / 'report.html'}", markup=False, soft_wrap=True)
    screen.print(f"tables     {folder.absolute()}/trials.*, epochs.* (csv, parquet)", markup=False, soft_wrap=True)


def _compare(studies: list[optuna.Study], folder: Path) -> None:
    from lightsearch.report.comparison import write_comparison

    said = write_comparison(studies, folder)
    screen = console()
    screen.print(said, markup=False, soft_wrap=True)
    screen.print(f"\npage       {folder.absolute() / 'report.html'}", markup=False, soft_wrap=True)
    screen.print(f"studies    {folder.absolute()}/NAME: the report of each", markup=False, soft_wrap=True)


def _serve(storage: BaseStorage, name: str, port: int, *, open_page: bool) -> None:
    import contextlib

    from lightsearch.paths import study_folder
    from lightsearch.report.live import LiveReport, make_live

    report = LiveReport(lambda: _load(storage, name), study_folder(name))
    # Entered before the address is printed, since a user may then press Ctrl-C.
    with make_live(report, port=port) as server, contextlib.suppress(KeyboardInterrupt):
        address = f"http://127.0.0.1:{server.server_port}/"
        console().print(f"report {address}    Ctrl-C ends it", soft_wrap=True)
        if open_page:
            typer.launch(address)
        server.serve_forever()
