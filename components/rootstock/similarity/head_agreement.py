"""Do the heads of different sources say the same of the target's rows?

A source whose head the others contradict has learned something else; one that they confirm is likely right. No label of
the target is read, so hundreds of its rows can be asked where few are labelled (agreement between independently trained classifiers
tells their accuracy: Jiang et al. 2022, ICLR, arXiv 2106.13799).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Names of the scores that come with every ranking: the first no candidate has by itself, the second says whether there is a head
#: to carry over at all.
HEAD_AGREEMENT = "head_agreement"
MATCHED_CLASSES = "matched_classes"
SHARED_UNITS = {HEAD_AGREEMENT: "share", MATCHED_CLASSES: "share"}


def votes_of(log_probabilities: NDArray[np.float64], head_classes: Sequence[str], classes: Sequence[str]) -> tuple[int, ...] | None:
    """For each of n rows the index of the target's class that a head (n, c_head) holds likeliest among those that it knows.

    None where it knows fewer than two of the ``classes``.
    """
    import numpy as np

    place = {name: index for index, name in enumerate(head_classes)}
    known = np.array([index for index, name in enumerate(classes) if name in place], dtype=np.int64)
    if len(known) < 2:
        return None
    said = log_probabilities[:, [place[classes[index]] for index in known]]
    return tuple(int(index) for index in known[said.argmax(axis=1)])


def head_agreement(votes: Mapping[str, Sequence[int] | None], *, sources: Sequence[str]) -> dict[str, float | None]:
    """Candidate -> mean share of rows on which its head votes as another source's does, 0..1, higher is better.

    Every candidate is held against all ``sources`` but itself. None without a vote, or without another to hold it against.
    """
    import numpy as np

    cast = {name: np.asarray(each) for name, each in votes.items() if each is not None}
    found: dict[str, float | None] = {}
    for name in votes:
        others = [cast[source] for source in sources if source in cast and source != name]
        found[name] = float(np.mean([(cast[name] == other).mean() for other in others])) if name in cast and others else None
    return found
