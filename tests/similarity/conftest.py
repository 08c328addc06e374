"""Features with a known signal, and a pair to measure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rootstock.part import Labelled, Pair


@pytest.fixture
def signal() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Gives n rows of d features around the centres of c classes, and their labels."""

    def make(n: int, d: int, c: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(0)
        centres = random.normal(size=(c, d))
        labels = np.arange(n) % c
        return random.normal(size=(n, d)) + 0.8 * centres[labels], labels

    return make


@pytest.fixture
def make_pair() -> Callable[..., Pair]:
    """Gives a pair from the features of target and source."""

    def make(
        target: np.ndarray, labels: np.ndarray, *, source: np.ndarray | None = None, said: np.ndarray | None = None,
        classes: tuple[str, ...] = (), head_classes: tuple[str, ...] = (), offered: np.ndarray | None = None,
    ) -> Pair:  # fmt: skip
        classes = classes or tuple(f"class {i}" for i in range(int(labels.max()) + 1))
        other = None if source is None else Labelled(source, np.zeros(len(source), dtype=np.int64), ("x",))
        return Pair(Labelled(target, labels, classes), other, said, head_classes, target if offered is None else offered)

    return make
