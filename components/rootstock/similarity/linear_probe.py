"""Accuracy of a linear probe."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rootstock.part import ACCURACY, Pair, SimilarityMetric
from rootstock.similarity.crossvalidated import crossvalidated_correct


class LinearProbe(SimilarityMetric):
    """Accuracy of a logistic regression on what the candidate offers, 0..1, by repeated stratified cross-validation.

    Every row is predicted by a probe that has not seen it, so features without signal score as chance, however many there are.
    """

    name: Literal["linear_probe"] = "linear_probe"
    unit: ClassVar[str] = ACCURACY

    folds: Annotated[int, Field(ge=2)]
    repeats: Annotated[int, Field(ge=1)]

    def measure(self, pair: Pair) -> float | None:
        """Higher is better. None where a class has a single row, or group: nothing could be learned of it when it is held out."""
        target = pair.target
        if not target.can_be_split:
            return None
        found = crossvalidated_correct(
            pair.representation, target.labels, folds=self.folds, repeats=self.repeats, seed=pair.seed, groups=target.groups
        )
        return float(found.mean())
