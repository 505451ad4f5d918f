"""The host of the tests' packs."""

from __future__ import annotations

import pytest
import torch

from lightsearch.packs.host import Host


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host of trials that make their own data."""
    monkeypatch.setattr("lightsearch.packs.host.components.build_data", lambda make, sampled, data_dir: make())
    torch.set_num_threads(1)
    return Host()
