"""Contract with optunahub: a package that is in the folder of the cache is loaded from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightsearch.compat import optunahub_cache
from tests.compat.contracts import relies_on
from tests.study.hub_cache import cache


def test_a_cached_package_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optunahub = pytest.importorskip("optunahub")
    cache(tmp_path, monkeypatch)
    with relies_on("optunahub", optunahub_cache):
        assert optunahub_cache.cache_home() == tmp_path / "cache"
        folder = optunahub_cache.package_folder("samplers/small", "v1")
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("width = 8\n")
        assert optunahub.load_module("samplers/small", ref="v1").width == 8
