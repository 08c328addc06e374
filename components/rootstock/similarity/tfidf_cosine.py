"""Cosine between the TF-IDF centroids of two domains."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Pair, SimilarityMetric
from rootstock.similarity.samples import draw_texts
from rootstock.similarity.words import count_words


class TfidfCosine(SimilarityMetric):
    """Cosine of the angle between the mean TF-IDF vectors of target and source, 0..1: do they speak of the same things?

    Term frequencies are sublinear, rows of unit length, and inverse document frequencies are those of both domains together. At
    most ``rows`` texts of each domain are read. Labels and the backbone are not.
    """

    name: Literal["tfidf_cosine"] = "tfidf_cosine"
    unit: ClassVar[str] = "cosine"
    reads_labels: ClassVar[bool] = False

    rows: Annotated[int, Field(ge=1)]

    def measure(self, pair: Pair) -> float | None:
        """Higher is better. None without a source, for inputs that are no texts, and where a domain has no words."""
        texts = draw_texts(pair, self.rows)
        counted = count_words(texts) if texts is not None else None
        return centroid_cosine(counted.target, counted.source) if counted is not None else None


def centroid_cosine(target: Any, source: Any) -> float | None:
    """Cosine of the mean TF-IDF rows of two sparse matrices of counts, (n, f) and (m, f); None for a centroid of length zero."""
    import numpy as np
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import TfidfTransformer

    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(vstack([target, source], format="csr"))
    n = target.shape[0]
    centroids = [np.asarray(part.mean(axis=0)).ravel() for part in (weighted[:n], weighted[n:])]
    lengths = float(np.linalg.norm(centroids[0]) * np.linalg.norm(centroids[1]))
    return float(centroids[0] @ centroids[1]) / lengths if lengths > 0 else None
