"""Searches on a real Ray cluster of several nodes, some of which die."""

from __future__ import annotations

import importlib.util
import json
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import postgresql
from tests.conftest import Process, command, start
from tests.faults.helpers import SLOW, check_whole, epochs_reported, load, wait_for
from tests.ray_cluster import Cluster, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    running = Cluster(2)
    yield running
    running.close()


@pytest.fixture
def url(server: postgresql.Server, monkeypatch: pytest.MonkeyPatch) -> str:
    url = server.database(f"test-{uuid.uuid4().hex}")
    monkeypatch.setenv("LIGHTSEARCH_STORAGE", url)
    return url


def search_on(cluster: Cluster, place: Path, *options: object) -> Process:
    """The slow digits study, with LIGHTSEARCH_STORAGE from the environment."""
    return start("run", "--on", "ray", "--ray-address", cluster.address, *SLOW, *options, cwd=place)


def finish(search: Process) -> str:
    output, _ = search.communicate(timeout=300)
    assert search.returncode == 0, output
    assert "Traceback" not in output, output
    return output


def test_a_node_is_killed_and_the_database_restarted_and_nothing_is_lost(
    cluster: Cluster, place: Path, server: postgresql.Server, url: str
) -> None:
    search = search_on(cluster, place, "--n-trials", 4, "--pack", "off")
    try:

        def both_in_mid_trial() -> bool:
            running = [trial for trial in load(place, url).trials if trial.state.name == "RUNNING"]
            return sum(3 <= (trial.last_step or 0) <= 20 for trial in running) == 2

        wait_for(both_in_mid_trial)
        cluster.kill(cluster.nodes[0])
        server.kill()
        server.start()
        output = finish(search)
    finally:
        search.kill()
        print(search.communicate()[0])  # shown where the test fails
    assert "2 workers on 2 nodes" in output
    assert "1 workers on 1 nodes" in output
    assert "is gone; going on from its last checkpoint" in output
    check_whole(place, 4, url)
    assert sorted(trial.user_attrs["attempt"] for trial in load(place, url).trials) == [1, 1, 1, 2]
    assert not list(place.rglob(".lightsearch-*"))


def test_the_head_is_restarted(place: Path, url: str) -> None:
    port = free_port()
    cluster = Cluster(1, port)
    search = search_on(cluster, place, "--n-trials", 2, "--pack", "off")
    try:
        wait_for(lambda: epochs_reported(place, 5, url))
        cluster.close()
        cluster = Cluster(1, port)
        output = finish(search)
    finally:
        search.kill()
        print(search.communicate()[0])  # shown where the test fails
        cluster.close()
    assert "is gone" in output
    assert "the Ray cluster is there again" in output
    check_whole(place, 2, url)


def test_packs_through_rays_client_and_a_request_to_stop(cluster: Cluster, place: Path, url: str) -> None:
    options = ("--n-trials", 8, "--pack", "4")
    search = start("run", "--on", "ray", "--ray-address", cluster.client_address, *SLOW, *options, cwd=place)
    try:
        wait_for(lambda: epochs_reported(place, 3, url))
        search.send_signal(signal.SIGTERM)
        output, _ = search.communicate(timeout=60)
    finally:
        search.kill()
        print(search.communicate()[0])  # shown where the test fails
    assert search.returncode == 143, output
    states = [trial.state.name for trial in load(place, url).trials]
    assert "RUNNING" not in states
    assert "WAITING" in states
    finish(search_on(cluster, place, *options))
    check_whole(place, 8, url)
    logs = [path.read_text() for path in (place / "studies" / "digits").glob("trial-*/log.txt")]
    assert len(logs) == 8


def test_a_trial_and_then_the_search_are_stopped_from_elsewhere(cluster: Cluster, place: Path, url: str) -> None:
    search = search_on(cluster, place, "--n-trials", 4, "--pack", "off")
    try:
        wait_for(lambda: epochs_reported(place, 3, url))
        first = next(trial.number for trial in load(place, url).trials if (trial.last_step or 0) >= 3)
        ended = command("stop", "--study", "digits", "--trial", first, cwd=place)
        assert f"trial {first} pruned" in ended.stdout, ended.stdout + ended.stderr
        assert search.poll() is None
        wait_for(lambda: sum(trial.state.name == "RUNNING" for trial in load(place, url).trials) == 2)
        stopped = command("stop", "--study", "digits", cwd=place)
        assert "trials wait to be continued" in stopped.stdout, stopped.stdout + stopped.stderr
        output, _ = search.communicate(timeout=60)
    finally:
        search.kill()
        print(search.communicate()[0])  # shown where the test fails
    assert search.returncode == 130, output
    assert {trial.state.name for trial in load(place, url).trials} <= {"PRUNED", "COMPLETE", "WAITING"}


DATA = """
import numpy, torch, pytorch_lightning as pl
from pathlib import Path
from torch.utils.data import DataLoader, TensorDataset

class Points(pl.LightningDataModule):
    def __init__(self, data_dir: str, seed: int = 0) -> None:
        super().__init__()
        table = torch.from_numpy(numpy.load(Path(data_dir) / "points.npy"))
        print("data from", data_dir)
        self.points = TensorDataset(table[:, :8].float(), table[:, 8].long())
        self.model_arguments = {"in_features": 8, "num_classes": 2}

    def train_dataloader(self): return DataLoader(self.points, 32)
    def val_dataloader(self): return DataLoader(self.points, 32)
"""


def test_a_node_that_shares_nothing(cluster: Cluster, place: Path, url: str, tmp_path: Path) -> None:
    """The node receives the data and the user's modules, and sends its trials' files; it dies, its trial goes on."""
    import numpy as np

    values = np.random.default_rng(0).normal(size=(1024, 8))
    (place / "points").mkdir()
    np.save(place / "points" / "points.npy", np.column_stack([values, values.sum(axis=1) > 0]))
    (place / "points_data.py").write_text(DATA)
    stranger = cluster.add_elsewhere(place)
    cluster.wait_for(4)
    options: list[Any] = ["--set", "data={class_path='points_data.Points'}", "--set", "space.data={}"]
    refused = command(
        "run", "--on", "ray", "--ray-address", cluster.address, *SLOW, *options, "--data-dir", "points", cwd=place
    )
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert f"does not see {place}" in refused.stderr
    assert not list(place.rglob(".lightsearch-*"))
    assert not (place / "studies" / "digits").exists()
    bucket = tmp_path.parent / f"{tmp_path.name}-bucket"  # beside what is hidden
    search = search_on(
        cluster, place, *options, "--data-dir", "points", "--n-trials", 4, "--pack", "off", "--artifacts", bucket
    )
    try:
        wait_for(lambda: any("lightsearch-" in log.read_text() for log in bucket.rglob("log.txt")))
        wait_for(lambda: epochs_reported(place, 8, url))
        cluster.kill_elsewhere(stranger)
        output = finish(search)
    finally:
        search.kill()
        print(search.communicate()[0])  # shown where the test fails
    assert "MB of data to the nodes that do not see" in output
    check_whole(place, 4, url)
    assert not list(place.glob("studies/digits/*/*.ckpt"))
    results = json.loads((place / "studies" / "digits" / "results.json").read_text())
    assert results["best"]["checkpoint"]


def test_what_is_wrong_with_a_cluster_is_one_line(place: Path, tmp_path: Path) -> None:
    other = tmp_path / "path" / "optuna-4.0.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: optuna\nVersion: 4.0.0\n")
    cases = [
        (f"127.0.0.1:{free_port()}", "does not answer: Connection refused"),
        (f"ray://127.0.0.1:{free_port()}", "does not answer: Connection refused"),
        ("nonsense", "write auto, HOST:PORT or ray://HOST:PORT"),
    ]
    for address, line in cases:
        said = command("run", "--on", "ray", "--ray-address", address, cwd=place)
        assert said.returncode == 2
        assert line in said.stderr
        assert len(said.stderr.strip().splitlines()) == 1
    cluster = Cluster(1)
    try:
        cluster.add(env_vars={"PYTHONPATH": f"{tmp_path / 'path'}"})
        said = command("run", "--on", "ray", "--ray-address", cluster.address, cwd=place)
        assert said.returncode == 2, said.stdout + said.stderr
        assert "optuna is 4.0.0 there" in said.stderr
        asked = ("--cpus-per-trial", 64)
        said = command("run", "--on", "ray", "--ray-address", cluster.address, *asked, cwd=place)
        assert "no node with 64 CPU" in said.stderr
    finally:
        cluster.close()
    assert not (place / "studies" / "digits").exists()
