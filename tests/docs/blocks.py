"""The code blocks of a page, and how each is run.

=============================== ======================================================================================
a block of a page               what a test does with it
=============================== ======================================================================================
``python title="net.py"``       written to that file
``python``                      run as a script
``toml title="studies/a.toml"`` written to that file, and validated
``toml``                        a part of a study file: validated within a whole one
``console``, ``bash``           its commands are run (in ``console``, the lines that begin with ``$``); all succeed
``console`` with                its commands end with that status, and print the other lines
``title="exit status 2"``
any of them with                not run: Python is compiled, TOML parsed, options of commands are checked. The title is
``title="not run here: ..."``   what a reader of the page sees
``text``, ``yaml title="..."``  written if it has a title
=============================== ======================================================================================
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import re
import shlex
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.validation import validate
from tests.conftest import ROOT, command, environment, script

FENCE = re.compile(r"^( *)```(\w*)([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NOT_RUN = "not run here: "
STATUS = "exit status "

SMALLER = (
    (r"(--n-trials |n_trials=)\d+", r"\g<1>2"),
    (r"(max_epochs(?: = |=|: ))\d+", r"\g<1>2"),
    (r"(--epochs )\d+", r"\g<1>6"),
    (r"(--seeds |seeds=)\d+", r"\g<1>2"),
    (r"(--(?:trial|reproduce) |trial=)\d+", r"\g<1>0"),
)
"""The budgets of the pages, made small enough for a test."""

BASE = ROOT / "studies" / "digits.toml"
"""The study file whose sections a part of one replaces."""


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    language: str
    title: str
    text: str

    @property
    def runs(self) -> bool:
        """Whether it can run here."""
        return not self.title.startswith(NOT_RUN)


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text, found = page.read_text(encoding="utf-8"), []
    for fence in FENCE.finditer(text):
        title = re.search(r'title="([^"]*)"', fence[3])
        inner = textwrap.dedent(fence[4])
        found.append(Block(text.count("\n", 0, fence.start()) + 1, fence[2], title[1] if title else "", inner))
    return found


def run(block: Block, folder: Path) -> None:
    """Runs a block in the folder of its page, or checks it if it cannot run here.

    Raises:
        AssertionError: if it fails.
    """
    small = _smaller(block.text)
    if block.title.startswith(STATUS):
        _run_failing(block, folder)
        return
    if block.title and block.runs:
        (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.title).write_text(small, encoding="utf-8")
    if block.language == "python":
        ast.parse(block.text)
        if not block.title:
            _run_script(small, folder, f"block_{block.line}")
    elif block.language == "toml":
        _check_study(block, folder)
    elif block.language in ("console", "bash"):
        for words in commands(block):
            if block.runs:
                _run_command(_smaller(words), folder)
            else:
                check_options(words)


def commands(block: Block) -> list[str]:
    """The commands of a block, each on one line."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line[2:] for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.startswith("#")]


def check_options(words: str) -> None:
    """Parses the options of every ``lightsearch`` command in a line of a shell, as the command itself does."""
    for name, arguments in re.findall(r"(?:\blightsearch|python -m search\.)[ ]?(\w+)((?: [^|;&>\n\"']+)?)", words):
        parser = _command_options().parser_of(name)
        parser.make_context(name, shlex.split(arguments, comments=True))


def _smaller(text: str) -> str:
    for pattern, replacement in SMALLER:
        text = re.sub(pattern, replacement, text)
    return text


def _run_script(text: str, folder: Path, name: str) -> None:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    done = script(name, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def _run_failing(block: Block, folder: Path) -> None:
    """Runs commands that end with the status of the block's title, and print its lines."""
    status, printed = int(block.title.removeprefix(STATUS)), ""
    for words in commands(block):
        done = _done(words, folder)
        assert done.returncode == status, f"$ {words}\n{done.stdout}{done.stderr}"
        printed += done.stdout + done.stderr
    for line in block.text.splitlines():
        assert line.startswith("$ ") or line in printed, f"{line}\nis not in\n{printed}"


def _run_command(words: str, folder: Path) -> None:
    done = _done(words, folder)
    assert done.returncode == 0, f"$ {words}\n{done.stdout}{done.stderr}"


def _done(words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    first, *rest = shlex.split(words, comments=True)
    if first == "lightsearch":
        return command(rest[0], *rest[1:], cwd=folder)
    if first == "python" and rest[0].endswith(".py") and len(rest) == 1:
        return script(rest[0].removesuffix(".py"), cwd=folder)
    return subprocess.run(
        ["bash", "-c", words],
        cwd=folder,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )


def _check_study(block: Block, folder: Path) -> None:
    if block.title and block.runs:
        with contextlib.chdir(folder):  # a file that it names may be relative to the working directory
            declared = read_declaration(folder / block.title, [])
    else:
        part, whole = tomllib.loads(block.text), read_declaration(BASE, [])
        if "objective" in part:
            whole = {"name": "function"}
        declared = whole | part
    mistakes = validate(declared)[1]
    assert not mistakes, "\n".join(map(str, mistakes))


def _command_options() -> Any:
    spec = importlib.util.spec_from_file_location("command_options", ROOT / "docs" / "made" / "command_options.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
