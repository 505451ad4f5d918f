"""Whether a Ray cluster can be used, found before anything is started."""

from __future__ import annotations

import os
import re
import socket
from importlib.util import find_spec

from lightsearch.errors import Mistake
from lightsearch.launchers.ray import RayCluster

ANSWER_SECONDS = 5.0
"""How long a cluster's head may take to accept a connection."""


def check_cluster(cluster: RayCluster) -> list[Mistake]:
    """Why a cluster cannot be used, as far as can be told within seconds; Ray itself takes a minute."""
    if find_spec("ray") is None:
        return [Mistake("--on", "ray", 'needs Ray: pip install -e ".[ray]"')]
    address = os.environ.get("RAY_ADDRESS", "") if cluster.address == "auto" else cluster.address
    if not address or address == "auto":
        return cluster.mistakes  # Ray looks for a cluster on this machine
    match = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)", address)
    if match is None:
        return [Mistake("--ray-address", address, "write auto, HOST:PORT or ray://HOST:PORT"), *cluster.mistakes]
    try:
        socket.create_connection((match[1], int(match[2])), ANSWER_SECONDS).close()
    except OSError as error:
        hint = f"does not answer: {error.strerror or error}; is the cluster up, and its address right?"
        return [Mistake("--ray-address", address, hint), *cluster.mistakes]
    return cluster.mistakes
