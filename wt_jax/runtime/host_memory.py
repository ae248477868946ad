"""How much memory this machine has left."""

import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CONTAINER = Path("/sys/fs/cgroup")  # a container's own, and the limit of it


def available_bytes() -> int:
    """What a process may still take: of the machine, or of its container where that is less.

    Where the system does not say what is left (macOS), half of what there is.
    """
    if not _MEMINFO.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    lines = dict(line.split(":") for line in _MEMINFO.read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    try:
        limit, used, stat = (
            (_CONTAINER / f"memory.{name}").read_text() for name in ("max", "current", "stat")
        )
        cached = int(dict(line.split() for line in stat.splitlines())["inactive_file"])  # given up when asked
        return min(available, int(limit) - int(used) + cached)
    except (OSError, ValueError, KeyError):  # no container, or one without a limit: "max"
        return available
