"""What results come from: sources and devices, and what is said of them when they change."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from lightsearch.preflight.checks import preflight
from lightsearch.study.provenance import changed_sources, changes, noticed, sources
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import FACTS, digits, open_queue

NET = """
from lightsearch import Classifier
from parts_of_it import Block

class Net(Classifier):
    block = Block
"""
PARTS = "class Block:\n    width = 8\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes a module, which is imported anew."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def written(**modules: str) -> None:
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    yield written
    for name in ("mynet", "parts_of_it"):
        sys.modules.pop(name, None)


def test_a_class_and_what_it_is_made_of_are_digested_and_libraries_are_not(write: Callable[..., None]) -> None:
    declared = {"model": {"class_path": "mynet.Net"}, "data": {"class_path": "lightsearch.data.ImageData"}}
    write(mynet=NET, parts_of_it=PARTS)
    before = noticed(declared, 0)
    assert set(before["sources"]) == {"mynet", "parts_of_it"}
    assert changes(before, noticed(declared, 0)) == []
    write(parts_of_it=PARTS.replace("8", "16"), mynet=NET)
    assert changes(before, noticed(declared, 0)) == ["the source of parts_of_it"]
    assert changes(before, noticed({**declared, "trainer": {"accelerator": "cpu"}}, 2)) == [
        "accelerator: auto before, cpu now",
        "device: cpu before, cuda now",
        "the source of parts_of_it",
    ]
    assert changes({}, before) == []  # a study of an earlier version
    assert changed_sources({"fingerprint": declared, "noticed": before}) == [
        "changed since the search: the source of parts_of_it"
    ]
    assert changed_sources({"fingerprint": declared}) == []


def test_what_is_missing_or_raises_is_no_matter_here(write: Callable[..., None]) -> None:
    write(mynet="raise OSError('no disk')")
    assert sources({"model": {"class_path": "mynet.Net"}, "data": 3, "objective": "nowhere.f"}) == {}


NOTEBOOK = """
from lightsearch import Classifier

def helper(x):
    return x + {number}

class Net(Classifier):
    def forward(self, x):  # {comment}
        return helper(x) if {{"a", "b"}} else [y for y in x]
"""


def given(**words: object) -> dict[str, str]:
    """The digests of a class of a notebook, as its process sends it to another."""
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec(NOTEBOOK.format(**words), cells)
    return sources({"model": {"class_path": "__main__.Net", "given": cloudpickle.dumps(cells["Net"])}})


def test_a_class_of_a_notebook_is_digested_as_it_is_compiled() -> None:
    first = given(number=1, comment="one")
    assert set(first) == {"__main__.Net", "__main__.helper"}
    assert given(number=1, comment="another") == first
    assert changes({"sources": first}, {"sources": given(number=2, comment="one")}) == ["the source of __main__.helper"]


def test_the_preflight_finds_them_out(write: Callable[..., None]) -> None:
    write(mynet=NET, parts_of_it=PARTS)
    found = preflight({"name": "x", "model": {"class_path": "mynet.Net"}}, None).noticed
    assert set(found["sources"]) == {"mynet", "parts_of_it"}
    assert found["device"] in ("cpu", "cuda")


def test_a_study_says_once_what_changed_and_keeps_it(tmp_path: Path) -> None:
    known = {"accelerator": "auto", "device": "cpu", "sources": {"mynet": "1"}}
    queue = open_queue(digits(), tmp_path, facts={**FACTS, "noticed": known})
    changed = {**FACTS, "noticed": {**known, "sources": {"mynet": "2"}}}
    again = TrialQueue(digits(), queue.storage, queue.url, queue.folder)
    assert again.open(changed) == ["the source of mynet"]
    assert again.open(changed) == []
    assert again.study.user_attrs["changes"][0]["changes"] == ["the source of mynet"]
