"""``python -m search.run``: searches, or goes on with a search."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from lightsearch.cli.command import HINT, DataDir, Storage, console, data_dir, print_findings, study_path


def main(
    study: Annotated[str, typer.Option(help="The study file, or its name in studies/.")] = "studies/digits.toml",
    n_trials: Annotated[
        int, typer.Option(min=1, help="Finished trials (complete or pruned) that the study shall have in all.")
    ] = 50,
    workers: Annotated[
        str, typer.Option(help="Trials at a time; auto: fills the cores, or one a GPU; 0: one, in this process.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads of a trial (of a pack); else OMP_NUM_THREADS, else trials share the cores."),
    ] = None,
    pack: Annotated[
        str, typer.Option(help="Trials a worker, trained together as one model; auto: where it pays; off: one by one.")
    ] = "auto",
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds after which to stop; the same command goes on.")
    ] = None,
    trial_timeout: Annotated[float | None, typer.Option(min=1, help="Seconds after which a trial is killed.")] = None,
    name: Annotated[str | None, typer.Option(help="Another name for the study.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed for the study.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Another value for a key of the study file.", metavar="KEY=VALUE")
    ] = None,
    storage: Storage = None,
    data: DataDir = None,
    on: Annotated[
        str | None, typer.Option(help="ray: on the nodes of a Ray cluster; else on this machine.", metavar="ray")
    ] = None,
    ray_address: Annotated[
        str, typer.Option(help="The cluster: auto, HOST:PORT or ray://HOST:PORT.", metavar="ADDRESS")
    ] = "auto",
    cpus_per_trial: Annotated[float, typer.Option(help="CPUs of a trial (of a pack) on Ray.")] = 1.0,
    gpus_per_trial: Annotated[
        float, typer.Option(help="GPUs of a trial (of a pack) on Ray; 0.25: four share one.")
    ] = 0.0,
    artifacts: Annotated[
        str | None,
        typer.Option(
            help="Where trials' files are sent, if machines share no folder: s3://bucket/prefix, ...", metavar="URL"
        ),
    ] = None,
) -> None:
    """Search, or go on with a search: the same command finishes what is missing, and then does nothing."""
    from lightsearch.coordinator.pipeline import search
    from lightsearch.coordinator.request import SearchRequest
    from lightsearch.declare.reading import read_declaration
    from lightsearch.display.display import display_on
    from lightsearch.launchers.ray import RayCluster
    from lightsearch.outcome import EXIT_OF_SIGNAL
    from lightsearch.storage.urls import storage_url

    if on not in (None, "ray"):
        raise typer.BadParameter("write ray, or leave it out", param_hint="--on")
    declared = read_declaration(study_path(study), set_ or [])
    declared |= {key: value for key, value in (("name", name), ("seed", seed)) if value is not None}
    screen, url = console(), storage_url(storage)
    request = SearchRequest(
        declared=declared,
        n_trials=n_trials,
        url=url,
        workers=None if workers == "auto" else _number(workers, "--workers", "auto"),
        threads=threads,
        pack={"auto": None, "off": 1}[pack] if pack in ("auto", "off") else _number(pack, "--pack", "auto, off"),
        timeout=timeout,
        trial_timeout=trial_timeout,
        data_dir=data_dir(data),
        cluster=RayCluster(ray_address, cpus_per_trial, gpus_per_trial) if on is not None else None,
        artifacts=artifacts,
    )
    with display_on(screen, declared, n_trials) as display:
        result = search(request, display)
    _print_end(screen, result, url, storage)
    if result.signal is not None:
        sys.exit(EXIT_OF_SIGNAL + result.signal)
    sys.exit(1 if result.failure or result.unavailable else 0)


def _number(text: str, option: str, words: str) -> int:
    least = 1 if option == "--pack" else 0
    if not text.isdigit() or not least <= int(text) <= 1024:
        raise typer.BadParameter(f"write {words}, or a number from {least} to 1024", param_hint=option)
    return int(text)


def _print_end(screen: Console, result: Any, url: str, storage: str | None) -> None:
    """How it ended, the leading trials, where the results are, and what to type next."""
    from lightsearch.coordinator.ending import Ending
    from lightsearch.credentials import redact
    from lightsearch.display.leaders_table import leaders_table
    from lightsearch.display.wording import duration

    results, failure = result.results, result.failure
    states, epochs = results["counts"]["states"], results["epochs"]
    counts = ", ".join(f"{n} {state if state != 'fail' else 'failed'}" for state, n in states.items())
    say = {
        Ending.DONE: "done",
        Ending.EXHAUSTED: "done: the sampler has visited every point of the space",
        Ending.TIMEOUT: "stopped at --timeout; the same command goes on",
        Ending.STOPPED: "stopped; the same command goes on",
        Ending.FAILING: f"stopped: {failure and failure.reason}",
        Ending.UNAVAILABLE: f"stopped: {result.unavailable}; {HINT}",
    }[result.ending]
    screen.print(f"\n{results['study']}: {say}. {counts}; {duration(results['wall_seconds'])} in all", soft_wrap=True)
    saved = epochs["at_most"] - epochs["trained"]
    has_model = result.study_file.objective is None
    if epochs["at_most"] and has_model:
        screen.print(
            f"{epochs['trained']} epochs trained, {saved} of {epochs['at_most']} saved "
            f"({epochs['saved_by_pruning']} by pruning, {epochs['saved_by_early_stopping']} by early stopping)"
        )
    if failure is not None:
        screen.print(f"\n{failure.details}", markup=False, soft_wrap=True)
        return
    if results["leaders"]:
        screen.print()
        if "front" in results:
            screen.print("The Pareto front: what is better in one objective is worse in another.")
        screen.print(leaders_table(results.get("front", results["leaders"][:5]), results["metric"]))
    print_findings(screen, result.study, before="\n")
    option = f" --storage {redact(url)}" if storage else ""
    screen.print(f"\nresults    {result.folder / 'results.json'}", soft_wrap=True)
    if results["best"] and has_model:
        screen.print(f"checkpoint {result.folder / results['best']['checkpoint']}", soft_wrap=True)
        screen.print(f"test it    python -m search.evaluate --study {results['study']}{option}", soft_wrap=True)
    screen.print(f"report     python -m search.report --study {results['study']}{option}", soft_wrap=True)
    screen.print(f"look at it optuna-dashboard {redact(url)}", soft_wrap=True)
    if result.ending in (Ending.TIMEOUT, Ending.STOPPED):
        same = [redact(url) if word == storage else word for word in sys.argv[1:]]
        screen.print(f"go on      python -m search.run {shlex.join(same)}", soft_wrap=True, markup=False)
