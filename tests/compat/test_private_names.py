"""Private names of other libraries stand in ``compat`` alone, and private names of a file in that file alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "src" / "lightsearch"
FILES = sorted(file for file in SOURCE.rglob("*.py") if "compat" not in file.relative_to(SOURCE).parts)
PUBLIC = {"_asdict", "_fields", "_make", "_replace", "_exit"}
"""Documented names that begin with an underscore: those of named tuples, and ``os._exit``."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_private_names_are_those_of_the_file(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    foreign = {*foreign_attributes(tree), *foreign_imports(tree)}
    assert not foreign, f"use them in lightsearch.compat, with a contract test, or make them public: {sorted(foreign)}"


def test_foreign_names_are_found() -> None:
    code = """
from torch.utils import _pytree
from optuna.storages._rdb import models

class Own:
    def __init__(self):
        self._own = trainer._signal_connector

    def same(self, other):
        return other._own == self._own and super()._inherited
"""
    tree = ast.parse(code)
    assert set(foreign_attributes(tree)) == {"_signal_connector", "_inherited"}
    assert set(foreign_imports(tree)) == {"_pytree", "_rdb"}


def foreign_attributes(tree: ast.Module) -> Iterator[str]:
    """Private attributes that a file uses and does not define."""
    defined = PUBLIC | set(definitions(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in defined:
            yield node.attr


def foreign_imports(tree: ast.Module) -> Iterator[str]:
    """Private modules and names that a file imports."""
    for node in ast.walk(tree):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        yield from (part for name in (*modules, *names) for part in name.split(".") if is_private(part))


def definitions(tree: ast.Module) -> Iterator[str]:
    """Names of functions, classes and variables, and attributes that are assigned on ``self`` or ``cls``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            yield node.attr


def is_own(owner: ast.expr) -> bool:
    return isinstance(owner, ast.Name) and owner.id in ("self", "cls")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_"
