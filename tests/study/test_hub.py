"""Packages of OptunaHub: from the cache without a network, downloaded once, and every way that fails."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from lightsearch.study import hub
from lightsearch.study.hub import find_hub_class
from lightsearch.study.spec_error import SpecError
from tests.study.hub_cache import cache, github, redirect, write_packages
from tests.study.test_samplers import check

pytest.importorskip("optunahub")


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache with the packages of ``main``, and no way to GitHub."""
    root = cache(tmp_path, monkeypatch)
    write_packages(root)
    yield root
    hub._load.cache_clear()


def mistake(name: str) -> str:
    with pytest.raises(SpecError) as raised:
        find_hub_class(name, BaseSampler)
    assert (raised.value.field, raised.value.value) == ("name", name)
    return str(raised.value.hint)


def test_the_class_of_a_cached_package_is_found() -> None:
    counting = find_hub_class("hub:samplers/counting", BaseSampler)
    assert counting.__name__ == "CountingSampler"
    assert find_hub_class("hub:samplers/counting.CountingSampler", BaseSampler) is counting  # it is executed once
    assert find_hub_class("hub:samplers/several.Other", BaseSampler).__name__ == "Other"
    assert find_hub_class("hub:samplers/unlisted", BaseSampler).__name__ == "Mine"  # and not what it imports
    assert find_hub_class("hub:pruners/never", BasePruner).__name__ == "NeverPruner"
    assert check("sampler=hub:samplers/counting", "pruner=hub:pruners/never") == []


def test_every_mistake_has_its_way_out(packages: Path) -> None:
    assert mistake("hub:samplers/several") == (
        "has several classes, One, Other; write one of them: hub:samplers/several.One"
    )
    assert mistake("hub:samplers/several.Othr") == 'the package has no BaseSampler Othr; did you mean "Other"?'
    assert mistake("hub:samplers/none") == "the package has no BaseSampler; name another one"
    assert mistake("hub:pruners/never") == "the package has no BaseSampler; name another one"
    assert mistake("hub:samplers/raises") == "raises ValueError: not today (__init__.py, line 3) as it is imported"
    assert mistake("hub:samplers/needs") == (
        f"needs packages that are not installed: pip install -r {packages}/package/samplers/needs/requirements.txt "
        "(No module named 'not_installed_anywhere')"
    )
    folder = packages / "package" / "samplers" / "unfinished"
    assert mistake("hub:samplers/unfinished") == (
        f"is not complete in OptunaHub's cache; delete {folder}, and it is downloaded again"
    )
    for name in ("hub:counting", "hub:../counting", "hub:samplers/a@../../x", "hub:", "hub:samplers/a@-x"):
        assert "such as hub:samplers/auto_sampler" in mistake(name)


def test_one_that_is_neither_cached_nor_within_reach_is_one_line(packages: Path) -> None:
    (line,) = check("sampler=hub:samplers/elsewhere")
    assert line.startswith("sampler.name = 'hub:samplers/elsewhere': cannot be downloaded from GitHub ('")
    assert line.endswith(
        "...), and is not in OptunaHub's cache; run once with a network, or copy "
        f"{packages}/package/samplers/elsewhere from a machine that has it"
    )


def test_a_package_is_downloaded_once(tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(packages.parent)
    place = github(tmp_path)
    redirect(tmp_path, monkeypatch, place)
    assert find_hub_class("hub:samplers/counting", BaseSampler).__name__ == "CountingSampler"
    assert find_hub_class("hub:samplers/several.Other@v1.0", BaseSampler).__name__ == "Other"
    assert check("sampler=hub:samplers/several.Other@v1.0") == []
    assert (packages.parent / "v1.0" / "package" / "samplers" / "several").is_dir()
    assert (
        mistake("hub:samplers/nowhere")
        == "OptunaHub has no package samplers/nowhere at main; hub.optuna.org lists them"
    )
    assert "couldn't find remote ref v2.0" in mistake("hub:samplers/counting@v2.0")
    shutil.rmtree(place)
    hub._load.cache_clear()
    assert find_hub_class("hub:samplers/counting", BaseSampler).__name__ == "CountingSampler"


def test_a_cache_that_cannot_be_written_is_read(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = packages.parents[3]
    (home / ".lightsearch.lock").mkdir()  # so that not even root can lock it
    assert find_hub_class("hub:samplers/counting", BaseSampler).__name__ == "CountingSampler"


def test_git_need_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("git", "optunahub")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_hub_class("hub:samplers/counting", BaseSampler).__name__ == "CountingSampler"


def test_optunahub_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optunahub", None)
    hint = mistake("hub:samplers/counting")
    assert hint == 'needs optunahub, which is not installed: pip install "lightsearch[hub]"'
