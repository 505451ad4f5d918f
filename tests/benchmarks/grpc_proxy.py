"""Is Optuna's gRPC proxy worth it? ``pip install grpcio protobuf && python -m tests.benchmarks.grpc_proxy``

Plain Optuna in several processes on one study, on a real PostgreSQL: each asks, suggests three parameters, reports
five times, calls should_prune each time, and tells. Once each process has a connection of its own, once only a proxy
has connections.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import socket
import subprocess
import sys
import time
import uuid
import warnings
from typing import Any

import optuna
import psycopg

from tests import postgresql

REPORTS = 5
_context = multiprocessing.get_context("spawn")


def storage_of(place: str) -> Any:
    if place.startswith("grpc:"):
        return optuna.storages.GrpcStorageProxy(port=int(place.removeprefix("grpc:")))
    return place


def work(place: str, seconds: float, barrier: Any, answer: Any) -> None:
    optuna.logging.set_verbosity(logging.ERROR)
    warnings.simplefilter("ignore")
    sampler, pruner = optuna.samplers.RandomSampler(), optuna.pruners.MedianPruner()
    study = optuna.load_study(study_name="s", storage=storage_of(place), sampler=sampler, pruner=pruner)
    barrier.wait()
    end, trials, asking, reporting, reports = time.monotonic() + seconds, 0, 0.0, 0.0, 0
    while time.monotonic() < end:
        began = time.perf_counter()
        trial = study.ask()
        for name in "xyz":
            trial.suggest_float(name, 0, 1)
        asked = time.perf_counter()
        for step in range(REPORTS):
            trial.report(trial.params["x"], step)
            trial.should_prune()
        reported = time.perf_counter()
        study.tell(trial, trial.params["x"])
        asking, reporting = asking + asked - began, reporting + reported - asked
        trials, reports = trials + 1, reports + REPORTS
    answer.put((trials, asking, reporting))


def measure(place: str, clients: int, seconds: float, url: str) -> str:
    """Trials per second, and the milliseconds of an ask and of a report."""
    barrier, answer = _context.Barrier(clients), _context.Queue()
    processes = [_context.Process(target=work, args=(place, seconds, barrier, answer)) for _ in range(clients)]
    for process in processes:
        process.start()
    while answer.empty():
        connections = _connections(url)
        time.sleep(seconds / 4)
    answers = [answer.get() for _ in processes]
    for process in processes:
        process.join()
    trials = sum(count for count, *_ in answers)
    ask, report = (sum(one[kind] for one in answers) / trials * 1e3 for kind in (1, 2))
    return (
        f"{trials / seconds:7.1f} trials/s  ask {ask:7.1f} ms  report {report / REPORTS:6.1f} ms  "
        f"{connections} connections"
    )


def _connections(url: str) -> int:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def serve(url: str, port: int) -> None:
    """The proxy."""
    warnings.simplefilter("ignore")
    optuna.storages.run_grpc_proxy_server(optuna.storages.get_storage(url), port=port)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--serve", nargs=2, metavar=("URL", "PORT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], int(given.serve[1]))
    server = postgresql.Server()
    try:
        for clients in given.clients:
            for proxied in (False, True):
                url = server.database(uuid.uuid4().hex)
                optuna.logging.set_verbosity(logging.ERROR)
                optuna.create_study(storage=url, study_name="s")
                place, proxy = url, None
                if proxied:
                    with socket.socket() as free:
                        free.bind(("127.0.0.1", 0))
                        port = free.getsockname()[1]
                    words = [sys.executable, "-m", "tests.benchmarks.grpc_proxy", "--serve", url, str(port)]
                    proxy, place = subprocess.Popen(words), f"grpc:{port}"
                    storage_of(place).wait_server_ready(timeout=30)
                found = measure(place, clients, given.seconds, url)
                print(f"{clients:3} clients, {'proxy ' if proxied else 'direct'}: {found}", flush=True)
                if proxy is not None:
                    proxy.kill()
                    proxy.wait()
    finally:
        server.close()


if __name__ == "__main__":
    main()
