"""The model as it ships, asked about the rows that were measured, and what an answer costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

from rootstock.backbone import HUB_PATTERNS, locate
from rootstock.classifier import read_card
from rootstock.errors import InputError, Refusal
from rootstock.evaluation.predictions import checked_probabilities, probability_lists
from rootstock.installation import environment, threads
from rootstock.records import Cost, Measure, Reloading
from rootstock.reload import Reloaded, reload_model

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

RELOADED = "reloaded"
BYTES_PER_MIB = 1 << 20


def ask_reloaded(
    folder: Path, test: pd.DataFrame, *, labels: Sequence[str], confidence: float
) -> tuple[list[pd.DataFrame], Reloading]:
    """``probabilities:reloaded`` of n rows, in the order of ``labels``, and what they cost; no column where nothing answered."""
    ids = list(test["id"])
    started = time.perf_counter()
    try:
        found = reload_model(folder, list(test["input"]))
        seconds = time.perf_counter() - started
        if set(found.labels) != set(labels):
            raise Refusal(f"{folder}: expected labels {', '.join(labels)}, found {', '.join(found.labels)}")
        said = checked_probabilities(found.probabilities, ids=ids, classes=len(labels), where=f"reloaded {folder}")
        cost = _cost(folder, found, confidence=confidence)
    except (InputError, Refusal) as error:
        return [], Reloading(failure=str(error), cost=None, seconds=time.perf_counter() - started)
    columns = [probability_lists(RELOADED, said[:, [found.labels.index(label) for label in labels]])]
    return columns, Reloading(failure=None, cost=cost, seconds=seconds)


def _cost(folder: Path, found: Reloaded, *, confidence: float) -> Cost:
    return Cost(
        milliseconds_per_row=median(found.milliseconds, confidence=confidence, unit="milliseconds"),
        mib=round(_bytes_read(folder) / BYTES_PER_MIB, 3),
        peak_mib=round(found.peak_mib, 1),
        machine=environment()["processor"],
        threads=threads(),
    )


def median(values: NDArray[np.float64], *, confidence: float, unit: str) -> Measure:
    """Median of n >= 1 values with the interval between two of them that covers the true one, whatever their distribution.

    The number of values below the median is binomial (n, 1/2); the ranks are its quantiles by the normal approximation, one further
    out. W. J. Conover, "Practical nonparametric statistics", 3rd edition 1999, section 3.2.
    """
    import numpy as np

    ordered = np.sort(values)
    n = len(ordered)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * np.sqrt(n) / 2
    low, high = int(np.floor(n / 2 - reach)), int(np.ceil(n / 2 + reach))
    return Measure(
        value=round(float(np.median(ordered)), 3),
        low=round(float(ordered[max(low - 1, 0)]), 3),
        high=round(float(ordered[min(high, n - 1)]), 3),
        n=n,
        unit=unit,
        higher_is_better=False,
    )


def _bytes_read(folder: Path) -> int:
    """Size of the model folder, and of the pretrained base where that lies elsewhere."""
    card = read_card(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    if not card.base.included:
        base = locate(card.base.name)
        files += [path for pattern in HUB_PATTERNS for path in base.glob(pattern) if path.is_file()]
    return sum(path.stat().st_size for path in files)
