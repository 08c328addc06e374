"""Features with a known signal, and a pair to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from rootstock.data.text import Text
from rootstock.part import Labelled, Modality, Pair, Unlabelled


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
def head_of_seven() -> Callable[[np.ndarray], np.ndarray]:
    """Gives log-probabilities (n, 7) of features under the random head of the reference values."""

    def make(features: np.ndarray, classes: int = 4) -> np.ndarray:
        from scipy.special import log_softmax

        n, d = features.shape
        random = np.random.default_rng(0)
        random.normal(size=(classes, d))
        random.normal(size=(n, d))
        return log_softmax(features @ random.normal(size=(d, 7)) / np.sqrt(d), axis=1)

    return make


@pytest.fixture
def make_pair() -> Callable[..., Pair]:
    """Gives a pair from the features of target and source; what is left out is plain: rows named by number, one layer."""

    def make(
        target: np.ndarray, labels: np.ndarray, *, source: np.ndarray | None = None, said: np.ndarray | None = None,
        classes: tuple[str, ...] = (), head_classes: tuple[str, ...] = (), offered: np.ndarray | None = None,
        inputs: Sequence[Any] | None = None, source_inputs: Sequence[Any] | None = None, layer_mean: np.ndarray | None = None,
        source_labels: np.ndarray | None = None, source_classes: tuple[str, ...] = (), source_layer_mean: np.ndarray | None = None,
        modality: Modality | None = None, seed: int = 0, unlabelled: Unlabelled | None = None,
    ) -> Pair:  # fmt: skip
        other = None
        if source is not None:
            of_source = np.zeros(len(source), dtype=np.int64) if source_labels is None else source_labels
            other = _labelled(source, of_source, source_inputs, source_layer_mean, source_classes)
        return Pair(
            target=_labelled(target, labels, inputs, layer_mean, classes), source=other, log_probabilities=said,
            head_classes=head_classes, representation=target if offered is None else offered,
            modality=modality or Text(max_tokens=16), seed=seed, unlabelled=unlabelled,
        )  # fmt: skip

    return make


def _labelled(
    features: np.ndarray, labels: np.ndarray, inputs: Sequence[Any] | None, layer_mean: np.ndarray | None, classes: tuple[str, ...]
) -> Labelled:
    return Labelled(
        inputs=[f"row {i}" for i in range(len(features))] if inputs is None else inputs,
        features=features,
        layer_mean=features if layer_mean is None else layer_mean,
        labels=labels,
        classes=classes or tuple(f"class {i}" for i in range(int(labels.max(initial=0)) + 1)),
    )
