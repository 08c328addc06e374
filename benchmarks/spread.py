"""How far repeated measurements lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], *, decimals: int = 2) -> dict[str, float]:
    """Median and range."""
    found = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: round(value, decimals) for name, value in found.items()}
