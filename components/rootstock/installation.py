"""What computes: Rootstock's own source, the libraries, the interpreter and the machine, by version and hash."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from rootstock.files import sha256_of, sha256_of_json, sha256_of_source

#: Libraries whose version may change what a stage computes.
NUMERIC_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "torch", "transformers", "peft", "lightgbm")
LOCK_FILE = "requirements.lock"
CPU_FILE = Path("/proc/cpuinfo")


@cache
def code_parts() -> dict[str, str]:
    """What a result may depend on besides its inputs: sha256 of Rootstock's own source, and the libraries that compute.

    Library -> public version: the part after "+" tells a build for a GPU from one for the CPU only, which is where, not what.
    """
    versions = {name: importlib.metadata.version(name).partition("+")[0] for name in NUMERIC_LIBRARIES}
    return {"rootstock": sha256_of_source(Path(__file__).parent), **versions}


@cache
def code_version() -> str:
    """sha256 over Rootstock's own source and the versions of the libraries that compute."""
    return sha256_of_json(code_parts())


def environment() -> dict[str, str]:
    """Where a result was computed, as far as its last digits may depend on it.

    ``packages`` is a sha256 over every installed distribution and its version; ``lock`` that of ``requirements.lock`` in the
    project folder, "none" where there is no such file.
    """
    installed = sorted({(found.name.lower(), found.version) for found in importlib.metadata.distributions() if found.name})
    lock = Path(LOCK_FILE)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count()),
        "packages": sha256_of_json(installed),
        "lock": sha256_of(lock) if lock.is_file() else "none",
    }


def threads() -> int:
    """How many threads a computation takes here: ``OMP_NUM_THREADS``, or all cores where it is unset, empty or 0."""
    return int((os.environ.get("OMP_NUM_THREADS") or "0").split(",")[0]) or os.cpu_count() or 1


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What is not as it was, a line each."""
    for name in {**before, **now}:
        was, is_now = before.get(name, "none"), now.get(name, "none")
        if was != is_now:
            yield f"{name}: {_short(was)} then, {_short(is_now)} now"


def _processor() -> str:
    """The model's name, which ``platform`` does not tell on Linux."""
    lines = CPU_FILE.read_text(encoding="utf-8", errors="replace").splitlines() if CPU_FILE.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _short(text: str) -> str:
    is_hash = len(text) == 64 and not set(text) - set("0123456789abcdef")
    return text[:12] if is_hash else text
