"""The failure that stops a search, for people: the frames of their own code."""

from __future__ import annotations

import re
from pathlib import Path

from lightsearch.declare.libraries import is_library
from lightsearch.outcome import PLAIN, TrialError

FRAME = re.compile(r'\s*File "(.+?)", line \d+')

_OURS = str(Path(__file__).parents[1])


def describe_failure(error: TrialError) -> str:
    """What a person needs to see: the traceback in their own code, or the message where it says everything."""
    if error.type in PLAIN:
        return error.message
    whole, own = error.traceback.rstrip("\n"), own_frames(error.traceback)
    return own if own == whole else f"{own}\n(the trial's log.txt has the frames of libraries)"


def own_frames(trace: str) -> str:
    """A traceback without the frames of libraries and of lightsearch; whole if it has no others.

    Args:
        trace: The traceback as Python prints it, with causes and contexts.
    """
    kept: list[str] = []
    keeps, n_kept, n_frames = True, 0, 0
    for line in trace.splitlines():
        if (frame := FRAME.match(line)) is not None:
            keeps = not frame[1].startswith(("<frozen", _OURS)) and not is_library(frame[1])
            n_frames, n_kept = n_frames + 1, n_kept + keeps
        elif not line.startswith(" "):
            keeps = True
        if keeps:
            kept.append(line)
    return "\n".join(kept) if 0 < n_kept < n_frames else trace.rstrip("\n")
