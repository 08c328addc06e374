"""The locked stack: what is installed is what is locked, and it imports together."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Distribution -> a module whose import needs most of it. Newer sets resolve and break exactly here.
MAIN = {
    "prefect": "prefect.server.api.server", "fastapi": "fastapi", "mlflow": "mlflow", "dvc": "dvc.repo", "evidently": "evidently",
    "great-expectations": "great_expectations", "pandas": "pandas", "numpy": "numpy", "scikit-learn": "sklearn", "scipy": "scipy",
    "torch": "torch", "transformers": "transformers", "peft": "peft", "accelerate": "accelerate", "pydantic": "pydantic",
}  # fmt: skip
QUIET = {
    "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DVC_NO_ANALYTICS": "1",
    "HF_HUB_OFFLINE": "1",
}  # fmt: skip


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    pairs = (line.partition("==") for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())
    return {plain(name): version.split()[0].rstrip("\\") for name, equals, version in pairs if equals}


@pytest.mark.parametrize("name", MAIN)
def test_the_installed_version_is_the_locked_one(name):
    assert importlib.metadata.version(name).split("+")[0] == locked()[plain(name)]


def test_the_lock_holds_what_the_project_asks_for():
    required = (
        re.match(r"[A-Za-z0-9_.-]+", line) for line in importlib.metadata.requires("rootstock-mlops") or () if ";" not in line
    )
    assert {plain(match[0]) for match in required if match} <= set(locked())


@pytest.mark.slow
def test_the_stack_imports_together(tmp_path):
    code = "\n".join(f"import {module}" for module in MAIN.values()) + "\nprint('all', 'imported')"
    environment = os.environ | QUIET | {"PREFECT_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "all imported" in done.stdout
