"""Runs of a benchmark, a row each, in a table beside it: an interrupted one goes on, and its figures can be printed again."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t as student

Run = dict[str, str]


class KeptRuns:
    """A table of runs, each found by its key; every new one is on disk before the next begins."""

    def __init__(self, path: Path, *, key: Sequence[str], measured: Sequence[str]) -> None:
        self.path, self.key, self.columns = path, tuple(key), (*key, *measured)
        self.rows: list[Run] = []
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as stream:
                self.rows = list(csv.DictReader(stream))

    def find(self, **key: object) -> Run | None:
        """The run with this key, if there is one."""
        return next((row for row in self.rows if all(row[name] == str(key[name]) for name in self.key)), None)

    def get(self, measure: Callable[[], Mapping[str, object]] | None, **key: object) -> Run | None:
        """The run with this key, measured and kept where it was not; None if there is nothing to measure it by."""
        found = self.find(**key)
        if found is not None or measure is None:
            return found
        row = {name: str(value) for name, value in {**key, **measure()}.items()}
        new = not self.path.is_file()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self.columns, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append(row)
        return row


def recipe(*settings: object) -> str:
    """A short name for settings: a run by other settings is another run."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=list).encode()).hexdigest()[:10]


def mean_of(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean over draws with Student's interval at 90%; a single draw has none, and gets itself."""
    mean = float(np.mean(values))
    half = float(student.ppf(0.95, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return mean, mean - half, mean + half
