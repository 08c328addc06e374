"""Parameters of the data section as the repository's params.yaml has them, with what a test changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rootstock.params import DataParams


@pytest.fixture
def data_params() -> Callable[..., DataParams]:
    raw = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))["data"]

    def make(**changes: Any) -> DataParams:
        columns = raw["columns"] | changes.pop("columns", {})
        return DataParams.model_validate(raw | {"columns": columns} | changes)

    return make
