"""Cosine between the centroids of two domains."""

from __future__ import annotations

from typing import ClassVar, Literal

from rootstock.part import Pair, SimilarityMetric


class CentroidCosine(SimilarityMetric):
    """Cosine of the angle between the mean embeddings of target and source, -1..1; labels are not read."""

    name: Literal["centroid_cosine"] = "centroid_cosine"
    unit: ClassVar[str] = "cosine"
    reads_labels: ClassVar[bool] = False

    def measure(self, pair: Pair) -> float | None:
        """Higher is better. None for a candidate without a source, or with a centroid of length zero."""
        import numpy as np

        if pair.source is None:
            return None
        target, source = pair.domain_features.mean(axis=0), pair.source.features.mean(axis=0)
        lengths = float(np.linalg.norm(target) * np.linalg.norm(source))
        return float(target @ source) / lengths if lengths > 0 else None
