"""The kernel's out-of-memory killer: its kill count, and this process's kill priority."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

COUNTERS = (
    "/sys/fs/cgroup/memory.events",  # a container's own, cgroup v2
    "/sys/fs/cgroup/memory/memory.oom_control",  # the same, cgroup v1
    "/proc/vmstat",  # the whole machine
)


def kernel_kills() -> int:
    """How many processes the kernel has killed for lack of memory so far, in this container or on this machine."""
    counts = [0]
    for counter in COUNTERS:
        with contextlib.suppress(OSError):
            counts += map(int, re.findall(r"^oom_kill (\d+)$", Path(counter).read_text(encoding="utf-8"), re.MULTILINE))
    return sum(counts)


def raise_oom_score() -> None:
    """Makes the kernel kill this process before others: a trial can be resumed, but its coordinator cannot."""
    with contextlib.suppress(OSError):  # no Linux
        Path("/proc/self/oom_score_adj").write_text("500", encoding="utf-8")
