"""Features that say nothing never outrank an informative backbone, whatever their width, with 50 labelled rows."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.h_score import HScore
from rootstock.similarity.knn import NearestNeighbours
from rootstock.similarity.linear_probe import LinearProbe
from rootstock.similarity.logme import LogME
from rootstock.similarity.representation import representation_of

METRICS = [
    LogME(layers="last"), LogME(layers="mean"), HScore(chance_corrected=True), NearestNeighbours(neighbours=3),
    LinearProbe(folds=4, repeats=1),
]  # fmt: skip
WIDTHS = [32, 64, 128, 384, 768, 1024]
SEEDS = range(3)
CLASSES = [2, 5]


def noise(kind: str, width: int, seed: int) -> np.ndarray:
    """(50, width) of one kind."""
    random = np.random.default_rng([seed, width])
    plain = random.normal(size=(50, width))
    return {
        "even": plain,
        "of few directions": plain / np.arange(1, width + 1),
        "with outliers": random.standard_t(2, size=(50, width)),
        "far from the origin": plain + 3,
    }[kind]


def informative(width: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(50, width) around the centres of the classes, as far apart as in 16 dimensions of the reference values; labels (50,)."""
    random = np.random.default_rng([seed, width, classes])
    labels = np.arange(50) % classes
    centres = np.zeros((classes, width))
    centres[:, :16] = 0.8 * random.normal(size=(classes, 16))
    return random.normal(size=(50, width)) * np.r_[np.ones(16), np.full(width - 16, 0.2)] + centres[labels], labels


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: f"{metric.name} {getattr(metric, 'layers', '')}".strip())
@pytest.mark.parametrize("classes", CLASSES)
def test_noise_never_outranks_an_informative_backbone_whatever_the_width(make_pair, metric, classes):
    def score(features, labels):
        return metric.measure(make_pair(features, labels, offered=representation_of(features, None)))

    worst = min(score(*informative(width, classes, seed)) for width in (16, *WIDTHS) for seed in SEEDS)
    kinds = ["even", "of few directions", "with outliers", "far from the origin"]
    labels = np.arange(50) % classes
    best = max(score(noise(kind, width, seed), labels) for kind in kinds for width in WIDTHS for seed in SEEDS)
    assert best < worst
