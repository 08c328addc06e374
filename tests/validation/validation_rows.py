"""Rows for the tests of validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

WORDS = ("array", "tensor", "graph", "solver", "matrix", "kernel", "stream", "module", "cursor", "socket")


def texts(count: int, *, start: int = 0) -> list[str]:
    """Texts that share few 5-grams."""
    return [f"{WORDS[i % 10]} {i * 7919:07d} {WORDS[(i // 10) % 10]} {i * 104729:09d}" for i in range(start, start + count)]


def frame(inputs: Sequence[Any], labels: Sequence[Any], *, split: str | Sequence[str] = "train") -> pd.DataFrame:
    """Rows with ids r0, r1, ..."""
    ids = [f"r{i}" for i in range(len(inputs))]
    return pd.DataFrame({"id": ids, "input": list(inputs), "label": list(labels), "split": split})
