"""What this process has used so far."""

from __future__ import annotations

import os
import resource
import sys


def cpu_seconds() -> float:
    """Processor time of all its threads, and of its child processes that have ended, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak_memory_mb() -> float:
    """The most memory that it ever had in RAM, in MB (1,000,000 bytes). What it shares with others is counted."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
