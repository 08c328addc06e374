"""Log-likelihood of the target's labels under a head fitted on the source."""

from __future__ import annotations

from typing import ClassVar, Literal

from rootstock.part import NATS, Pair, SimilarityMetric


class SourceHeadLogLikelihood(SimilarityMetric):
    """Mean log-probability, nats a row, that a source's own head gives the target's labels; classes are matched by name.

    A source with a class of the target missing knows nothing of its rows: they count as chance, 1/c. The score is that of the
    target's classes alone (probabilities of the shared classes renormalised), so a source with more classes is not punished.
    """

    name: Literal["source_head_loglik"] = "source_head_loglik"
    unit: ClassVar[str] = NATS

    def measure(self, pair: Pair) -> float | None:
        """Higher is better; chance is -log c. None for a candidate without a head."""
        import numpy as np
        from scipy.special import logsumexp

        if pair.log_probabilities is None:
            return None
        target = pair.target
        chance = -np.log(len(target.classes))
        place = {name: index for index, name in enumerate(pair.head_classes)}
        shared = [index for index, name in enumerate(target.classes) if name in place]
        if len(shared) < 2:
            return float(chance)
        known = pair.log_probabilities[:, [place[target.classes[index]] for index in shared]]
        known = known - logsumexp(known, axis=1, keepdims=True) + np.log(len(shared) / len(target.classes))
        scores = np.full(len(target.labels), chance)
        for column, index in enumerate(shared):
            rows = target.labels == index
            scores[rows] = known[rows, column]
        return float(scores.mean())
