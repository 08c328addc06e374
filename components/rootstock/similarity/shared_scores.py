"""Scores that come with every ranking, whatever metrics are asked for: what candidates say, held against each other."""

from __future__ import annotations

from collections.abc import Mapping

from rootstock.similarity.consensus import CONSENSUS, consensus
from rootstock.similarity.head_agreement import HEAD_AGREEMENT, head_agreement
from rootstock.similarity.opinions import Opinions

#: The share of the target's classes that a candidate knows: whether there is a head to carry over at all.
MATCHED_CLASSES = "matched_classes"

SHARED_UNITS = {HEAD_AGREEMENT: "correlation", CONSENSUS: "correlation", MATCHED_CLASSES: "share"}


def shared_scores(
    heads: Mapping[str, Opinions | None],
    means: Mapping[str, Opinions | None],
    matched: Mapping[str, float | None],
    nearness: Mapping[str, float],
) -> dict[str, dict[str, float | None]]:
    """Candidate -> score -> value, from the opinions of heads and of class means.

    ``nearness`` has every source that candidates are held against, and how near it lies to the target.
    """
    agreed, alike = head_agreement(heads, nearness), consensus(means, nearness)
    return {name: {HEAD_AGREEMENT: agreed[name], CONSENSUS: alike[name], MATCHED_CLASSES: matched[name]} for name in heads}
