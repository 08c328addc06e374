"""Does a source say of the target's rows what the sources nearest to the target say of them?

Each source gives every row of the target an opinion: how near it lies to the mean of each class, as the source knows them (nearest
class mean, Mensink et al. 2013, TPAMI 35(11)). Sources near to the target in words and features are likelier right, so their
opinions count more, and those of many of them more than of any one: what is near, and confirmed by what is near, comes first.
"""

from __future__ import annotations

from collections.abc import Mapping

from rootstock.similarity.opinions import Opinions, weighted_agreement

#: Name of the score, which no candidate has by itself.
CONSENSUS = "consensus"


def consensus(opinions: Mapping[str, Opinions | None], nearness: Mapping[str, float]) -> dict[str, float | None]:
    """Candidate -> agreement, -1..1, higher is better, with all sources, itself among them, the nearer the more.

    ``nearness`` has every source. None without opinions, and where no other source has any.
    """
    return weighted_agreement(opinions, nearness, with_itself=True)
