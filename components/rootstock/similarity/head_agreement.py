"""Do the heads of other sources, those nearest to the target first, say the same of its rows?

A source whose head the others contradict has learned something else; one that they confirm is likely right (agreement between
independently trained classifiers tells their accuracy: Jiang et al. 2022, ICLR, arXiv 2106.13799).
"""

from __future__ import annotations

from collections.abc import Mapping

from rootstock.similarity.opinions import Opinions, weighted_agreement

#: Name of the score, which no candidate has by itself.
HEAD_AGREEMENT = "head_agreement"


def head_agreement(opinions: Mapping[str, Opinions | None], nearness: Mapping[str, float]) -> dict[str, float | None]:
    """Candidate -> agreement of its head, -1..1, higher is better, with every other source's, the nearer the more.

    ``nearness`` has every source. None without a head, or without another to hold it against.
    """
    return weighted_agreement(opinions, nearness, with_itself=False)
