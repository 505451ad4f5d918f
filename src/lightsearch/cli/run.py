"""``lightsearch run``: searches, or continues a search."""

from __future__ import annotations

import shlex
import signal
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lightsearch.cli.command import EXAMPLE, HINT, DataDir, Storage, console, data_dir, print_findings, study_path
from lightsearch.machine.imports import without_collections

StudyOption = Annotated[str, typer.Option(help="The study file, or its name in studies/.")]
Total = Annotated[
    int | None, typer.Option(min=1, help="Total of finished trials for the study (complete or pruned): 50.")
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Total of epochs for the study, over all trials, instead of --n-trials.")
]
Workers = Annotated[
    str, typer.Option(help="Trials at a time. auto: fills the cores, or one per GPU; 0: one, in this process.")
]
Threads = Annotated[
    int | None,
    typer.Option(help="CPU threads per trial or pack (else OMP_NUM_THREADS, else trials share the cores)."),
]
Pack = Annotated[
    str,
    typer.Option(help="Trials per worker, trained together as one model. auto: where it is faster; off: one by one."),
]
Timeout = Annotated[
    float | None, typer.Option(min=1, help="Seconds after which the search stops; the same command continues it.")
]
TrialTimeout = Annotated[float | None, typer.Option(min=1, help="Seconds after which a trial is killed.")]
Name = Annotated[str | None, typer.Option(help="Another name for the study.")]
Seed = Annotated[int | None, typer.Option(help="Another seed for the study.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Another value for a key of the study file.", metavar="KEY=VALUE")
]
On = Annotated[
    str | None, typer.Option(help="ray: on the nodes of a Ray cluster; else on this machine.", metavar="ray")
]
RayAddress = Annotated[
    str, typer.Option(help="The Ray cluster: auto, HOST:PORT or ray://HOST:PORT.", metavar="ADDRESS")
]
CpusPerTrial = Annotated[float, typer.Option(help="CPUs per trial or pack on Ray.")]
GpusPerTrial = Annotated[float, typer.Option(help="GPUs per trial or pack on Ray; 0.25: four trials share one.")]
Artifacts = Annotated[
    str | None,
    typer.Option(
        help="URL that trials' files are sent to if machines share no folder: s3://bucket/prefix, ...", metavar="URL"
    ),
]

Widen = Annotated[
    bool, typer.Option("--widen", help="Continue an existing study in the wider [space] that the file has now.")
]


def main(
    study: StudyOption = EXAMPLE,
    n_trials: Total = None,
    epochs: Epochs = None,
    workers: Workers = "auto",
    threads: Threads = None,
    pack: Pack = "auto",
    timeout: Timeout = None,
    trial_timeout: TrialTimeout = None,
    name: Name = None,
    seed: Seed = None,
    set_: Overrides = None,
    storage: Storage = None,
    data: DataDir = None,
    on: On = None,
    ray_address: RayAddress = "auto",
    cpus_per_trial: CpusPerTrial = 1.0,
    gpus_per_trial: GpusPerTrial = 0.0,
    artifacts: Artifacts = None,
    widen: Widen = False,
) -> None:
    """Search until the study has N finished trials (--n-trials, by default 50), or has trained N epochs (--epochs).

    The same command continues a stopped search.
    """
    with without_collections():
        from lightsearch.declare.reading import read_declaration
        from lightsearch.launchers.early_start import start_early
        from lightsearch.storage.urls import storage_url
        from lightsearch.study.totals import N_TRIALS, UNLIMITED

    if on not in (None, "ray"):
        raise typer.BadParameter("write ray, or leave it out", param_hint="--on")
    at_a_time = None if workers == "auto" else _number(workers, "--workers", "auto")
    together = {"auto": None, "off": 1}[pack] if pack in ("auto", "off") else _number(pack, "--pack", "auto, off")
    screen, url = console(), storage_url(storage)
    declared = read_declaration(_study_file(study, screen), set_ or [])
    declared |= {key: value for key, value in (("name", name), ("seed", seed)) if value is not None}
    n_trials = n_trials or (N_TRIALS if epochs is None else UNLIMITED)
    start_early(declared, url, n_trials, epochs, at_a_time)  # it imports torch; meanwhile, this process imports Optuna
    with without_collections():
        from lightsearch.coordinator.pipeline import search
        from lightsearch.coordinator.request import SearchRequest
        from lightsearch.display.display import display_on
        from lightsearch.launchers.ray import RayCluster

    request = SearchRequest(
        declared=declared,
        n_trials=n_trials,
        epochs=epochs,
        url=url,
        workers=at_a_time,
        threads=threads,
        pack=together,
        timeout=timeout,
        trial_timeout=trial_timeout,
        data_dir=data_dir(data),
        cluster=RayCluster(ray_address, cpus_per_trial, gpus_per_trial) if on is not None else None,
        artifacts=artifacts,
        widen=widen,
    )
    with display_on(screen, declared, n_trials, epochs) as display:
        result = search(request, display)
    _print_result(screen, result, url, storage)
    sys.exit(_exit_status(result))


def _study_file(study: str, screen: Console) -> Path:
    path = study_path(study)
    if path != Path(EXAMPLE) or path.exists():
        return path
    screen.print(f"no {EXAMPLE} here: this is the digits example. For your own model: lightsearch new --help")
    return Path(str(resources.files("lightsearch.declare") / "digits.toml"))


def _number(text: str, option: str, words: str) -> int:
    least = 1 if option == "--pack" else 0
    if not text.isdigit() or not least <= int(text) <= 1024:
        raise typer.BadParameter(f"write {words}, or a number from {least} to 1024", param_hint=option)
    return int(text)


def _exit_status(result: Any) -> int:
    from lightsearch.coordinator.ending import Ending
    from lightsearch.outcome import EXIT_OF_SIGNAL

    if result.signal is not None:
        return int(EXIT_OF_SIGNAL + result.signal)
    if result.ending is Ending.STOPPED:  # by `lightsearch stop`, which is as Ctrl-C
        return int(EXIT_OF_SIGNAL + signal.SIGINT)
    return 1 if result.failure or result.unavailable else 0


def _print_result(screen: Console, result: Any, url: str, storage: str | None) -> None:
    """How the search ended, the leading trials, where the results are, and the next commands."""
    _print_ending(screen, result)
    if result.failure is not None:
        from lightsearch.display.failure import describe_failure

        screen.print(f"\nlast error:\n{describe_failure(result.failure)}", markup=False, soft_wrap=True)
        return
    _print_leaders(screen, result.results)
    print_findings(screen, result.study, before="\n")
    _print_next(screen, result, url, storage)


def _print_ending(screen: Console, result: Any) -> None:
    from lightsearch.coordinator.ending import Ending
    from lightsearch.display.wording import duration
    from lightsearch.study.status import describe_counts

    results = result.results
    say = {
        Ending.DONE: "done",
        Ending.EXHAUSTED: "done: the sampler has visited every point of the space",
        Ending.SATISFIED: f"stopped by itself: {result.stop_reason}; to go on, change [stop], or --set stop={{}}",
        Ending.TIMEOUT: "stopped at --timeout; run the same command again to continue",
        Ending.STOPPED: "stopped; run the same command again to continue",
        Ending.CALLBACK: "stopped by on_trial_end",
        Ending.FAILING: f"stopped: {result.failure and result.failure.reason}",
        Ending.UNAVAILABLE: f"stopped: {result.unavailable}; {HINT}",
    }[result.ending]
    counts = describe_counts(results["counts"]["status"]) or "no trials"
    line = f"\n{results['study']}: {say}. {counts}; {duration(results['wall_seconds'])} in all"
    screen.print(line, markup=False, soft_wrap=not screen.is_terminal)  # a terminal's lines break at words
    if _has_model(result):
        _print_epochs(screen, results["epochs"])


def _print_epochs(screen: Console, epochs: dict[str, int]) -> None:
    """The epochs of the finished trials, those that they did without, and those of the trials that are paused."""
    if epochs["at_most"]:
        reasons = ["pausing"] if epochs["saved_by_pausing"] else []
        reasons += ["pruning"] if epochs["saved_by_pruning"] or not reasons else []
        saved = [f"{epochs[f'saved_by_{reason}']} by {reason}" for reason in reasons]
        screen.print(
            f"{epochs['trained']} epochs trained, {epochs['at_most'] - epochs['trained']} of {epochs['at_most']} saved "
            f"({', '.join(saved)}, {epochs['saved_by_early_stopping']} by early stopping)"
        )
    if epochs["trained_by_paused"]:
        screen.print(f"{epochs['trained_by_paused']} epochs trained by trials that are paused")


def _print_leaders(screen: Console, results: dict[str, Any]) -> None:
    from lightsearch.display.leaders_table import leaders_table

    if not results["leaders"]:
        return
    screen.print()
    if "front" in results:
        screen.print("The Pareto front: a trial that is better in one objective is worse in another.")
    screen.print(leaders_table(results.get("front", results["leaders"][:5]), results["metric"]))


def _print_next(screen: Console, result: Any, url: str, storage: str | None) -> None:
    """Where the results are, and the commands that use them."""
    from lightsearch.coordinator.ending import Ending
    from lightsearch.credentials import redact
    from lightsearch.storage.urls import study_options

    results = result.results
    study = study_options(results["study"], url)
    screen.print(f"\nresults    {result.folder / 'results.json'}", soft_wrap=True)
    if results["best"] and _has_model(result):
        screen.print(f"checkpoint {result.folder / results['best']['checkpoint']}", soft_wrap=True)
        screen.print(f"evaluate   lightsearch evaluate {study}", soft_wrap=True)
    screen.print(f"report     lightsearch report {study}", soft_wrap=True)
    screen.print(f"dashboard  optuna-dashboard {redact(url)}", soft_wrap=True)
    if result.ending in (Ending.TIMEOUT, Ending.STOPPED):
        words = sys.argv[2:] if sys.argv[1:2] == ["run"] else sys.argv[1:]  # `lightsearch run`, `python -m search.run`
        same = [redact(url) if word == storage else word for word in words]
        screen.print(f"continue   lightsearch run {shlex.join(same)}", soft_wrap=True, markup=False)


def _has_model(result: Any) -> bool:
    """Whether the study is of a model, not of a function."""
    return bool(result.study_file.objective is None)
