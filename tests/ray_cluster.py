"""A real Ray cluster of several nodes on this machine, for the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import environment

# Set before Ray is imported: all nodes then use the loopback address.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
SMALL = {"object_store_memory": 100 * 2**20, "include_dashboard": False}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Cluster:
    """A head node that runs no trials, and nodes that run one trial each.

    Args:
        nodes: How many nodes.
        port: The head's; None: any.
    """

    def __init__(self, nodes: int, port: int | None = None) -> None:
        pytest.importorskip("ray", reason="Ray is not installed")
        from ray.cluster_utils import Cluster as Raylets

        self._before = {**os.environ}
        # Ray's workers have niceness 15 otherwise, and hardly a turn while other tests run beside them.
        os.environ.update(environment(), RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")
        self._client_port = free_port()
        ports = {"gcs_server_port": port, "ray_client_server_port": self._client_port}
        self._raylets = Raylets(initialize_head=True, head_node_args={"num_cpus": 0, **ports, **SMALL})
        self._private: list[subprocess.Popen[bytes]] = []
        self.nodes = [self.add() for _ in range(nodes)]

    @property
    def address(self) -> str:
        return str(self._raylets.address)

    @property
    def client_address(self) -> str:
        return f"ray://127.0.0.1:{self._client_port}"

    def add(self, **options: Any) -> Any:
        return self._raylets.add_node(num_cpus=1, **SMALL, **options)

    def add_elsewhere(self, *hidden: Path) -> subprocess.Popen[bytes]:
        """Adds a node for which some folders of this machine are empty."""
        if os.getuid() != 0:
            pytest.skip("hiding a folder takes root")
        mounts = "".join(f"mount -t tmpfs none '{folder}' && " for folder in hidden)
        node = f"'{sys.executable}' -m tests.ray_cluster {self.address}"
        words = ["unshare", "-m", "sh", "-c", f"cd / && {mounts} exec {node}"]
        process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._private.append(process)
        return process

    def wait_for(self, nodes: int) -> None:
        """Waits until the cluster has ``nodes`` nodes, the head included."""
        end = time.monotonic() + 60
        while len([one for one in self._raylets.global_state.node_table() if one["Alive"]]) < nodes:
            assert time.monotonic() < end
            time.sleep(0.2)

    def kill(self, node: Any) -> None:
        """Kills a node and everything that runs on it, as a power cut does."""
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        _kill(raylet)
        self._raylets.remove_node(node, allow_graceful=False)

    def kill_elsewhere(self, process: subprocess.Popen[bytes]) -> None:
        """Kills a node of ``add_elsewhere`` in the same way."""
        _kill(psutil.Process(process.pid))

    def close(self) -> None:
        """Kills all nodes."""
        for process in self._private:
            with contextlib.suppress(psutil.NoSuchProcess):
                _kill(psutil.Process(process.pid))
            process.wait()
        nodes = [*self._raylets.worker_nodes, self._raylets.head_node]
        for node in nodes:
            for started in node.all_processes.get("raylet", []):
                with contextlib.suppress(psutil.NoSuchProcess):
                    _kill(psutil.Process(started.process.pid))
        with contextlib.suppress(Exception):
            self._raylets.shutdown()
        os.environ.clear()
        os.environ.update(self._before)


def _kill(process: psutil.Process) -> None:
    family = [process, *process.children(recursive=True)]
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGKILL)


def run_node(address: str) -> None:
    """Runs a node in this process, with the settings of ``Cluster.add``."""
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    options = {"num_cpus": 1, "num_gpus": 0, "min_worker_port": 0, "max_worker_port": 0, "node_manager_port": 0}
    Node(
        RayParams(gcs_address=address, redis_address=address, include_log_monitor=False, **options, **SMALL), head=False
    )
    threading.Event().wait()


if __name__ == "__main__":
    run_node(sys.argv[1])
