"""Several sources as one candidate: the best of a ranking, learned from together.

The rows of a second and a third source that are nearly as near to the target are worth more than the difference between the first
and them: on reviews, opinions and digits the best three together beat the best single one (``benchmarks/source_selection.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rootstock.params import SimilarityParams
from rootstock.records import JOINT, Candidate, Value
from rootstock.similarity.evidence import JOINED_SOURCES

#: A source that knows fewer of the target's classes has no head to carry over.
FEWEST_CLASSES = 2

#: Sources that have more than this share of their rows in common are taken for versions of one data set.
MOST_SHARED = 0.2


class Joint(Value):
    """Candidates that are joined, best first, and what the advisor reads of them together."""

    members: tuple[Candidate, ...]

    @property
    def source(self) -> str:
        """Names of the sources, joined."""
        return JOINT.join(member.source for member in self.members)

    @property
    def name(self) -> str:
        """Of the joined candidate: the members' names, that of another backbone once."""
        first = self.members[0]
        return f"{self.source}{first.name.removeprefix(first.source)}"

    @property
    def scores(self) -> dict[str, float | None]:
        """Means over the members."""
        return _means([member.scores for member in self.members])

    @property
    def evidence(self) -> dict[str, float | None]:
        """Means over the members, and how many these are."""
        return joined_evidence([member.evidence for member in self.members])


def join_sources(
    candidates: Sequence[Candidate], similarity: SimilarityParams, *, share_of_rows: Callable[[str, str], float]
) -> Joint | None:
    """The best of the candidates that can be learned from together; None where these are fewer than two.

    They are data sets on the backbone of the best one, know the same of the target's classes by the same names, two at least, and
    none is riskier than ``similarity.max_risk``, nor has many rows that another has, by their ``share_of_rows`` (see
    shared_rows.py): a data set learned from twice does not gain what several do. Joining sources whose classes differ made models
    worse (see benchmarks): a class may then be told by the data set that it comes from. ``candidates`` are in the order of the
    ranking.
    """
    members: list[Candidate] = []
    for each in candidates:
        if (
            len(members) < similarity.joined_sources
            and _is_able(each, similarity)
            and all(_are_alike(each, other) and share_of_rows(each.source, other.source) <= MOST_SHARED for other in members)
        ):
            members.append(each)
    return Joint(members=tuple(members)) if len(members) > 1 else None


def _is_able(candidate: Candidate, similarity: SimilarityParams) -> bool:
    risk, known = candidate.risk, candidate.matched_labels
    is_open = candidate.kind == "domain" and candidate.excluded is None and risk is not None and risk <= similarity.max_risk
    return is_open and len(known) >= FEWEST_CLASSES


def _are_alike(one: Candidate, other: Candidate) -> bool:
    return (one.backbone, one.matched_labels) == (other.backbone, other.matched_labels)


def joined_evidence(evidence: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """Evidence of sources learned from together: the means of theirs, and how many they are."""
    return _means(evidence) | {JOINED_SOURCES: float(len(evidence))}


def _means(values: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """name -> mean; None where one of them is."""
    found: dict[str, float | None] = {}
    for name in values[0]:
        known = [value for each in values if (value := each.get(name)) is not None]
        found[name] = sum(known) / len(known) if len(known) == len(values) else None
    return found
