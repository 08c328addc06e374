"""Parameters of the data section as the repository's params.yaml has them, with what a test changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rootstock.params import DataParams

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves it alone; here lies one_table.py


@pytest.fixture
def data_params() -> Callable[..., DataParams]:
    raw = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))["data"]

    def make(**changes: Any) -> DataParams:
        columns = raw["columns"] | changes.pop("columns", {})
        return DataParams.model_validate(raw | {"columns": columns} | changes)

    return make
