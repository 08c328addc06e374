"""The memory of a process that was started by a larger one."""

from __future__ import annotations

import subprocess
import sys

SMALL = "from rootstock.peak_memory import peak_mib; print(peak_mib())"
LARGE = f"import subprocess, sys; held = bytearray(600 << 20); subprocess.run([sys.executable, '-c', {SMALL!r}], check=True)"


def test_peak_of_a_process_leaves_out_what_its_parent_held() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], check=True, capture_output=True, text=True)
    assert 5 < float(done.stdout) < 500
