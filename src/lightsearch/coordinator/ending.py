"""Why a search ended."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """Why a search ended."""

    DONE = "done"
    """The study has its total of finished trials."""
    EXHAUSTED = "exhausted"
    """The sampler has visited every point of the space."""
    SATISFIED = "satisfied"
    """A rule of the study file's ``[stop]`` holds."""
    TIMEOUT = "timeout"
    """``--timeout`` was reached; interrupted trials wait to be continued."""
    STOPPED = "stopped"
    """A signal, a kill or ``lightsearch stop`` stopped it; interrupted trials wait to be continued."""
    RUNNING = "running"
    """It has not ended: the result was loaded while another process searches."""
    CALLBACK = "callback"
    """``on_trial_end`` stopped it; interrupted trials wait to be continued."""
    FAILING = "failing"
    """Too many trials failed in a row, or one failed with an error that every other trial would have too."""
    UNAVAILABLE = "blocked"
    """The machine does not let it continue, as when the disk is full; interrupted trials wait to be continued."""
