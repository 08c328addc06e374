"""How much memory this process has needed."""

from __future__ import annotations

import resource
from pathlib import Path

STATUS_FILE = Path("/proc/self/status")
KIB_PER_MIB = 1024


def peak_mib() -> float:
    """Most memory this process has held so far.

    The operating system's own count for a process begins with that of the process which started it, so where Linux tells what this
    program alone has held, that is taken.
    """
    if STATUS_FILE.is_file():
        for line in STATUS_FILE.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / KIB_PER_MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB
