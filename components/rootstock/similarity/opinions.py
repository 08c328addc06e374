"""What a candidate says of the target's rows, in numbers that compare between candidates.

How often it answers a class at all, and how sure it is, say nothing of what it has learned: opinions are taken less their mean over
the rows, and are of one size. No label of the target is read, so hundreds of its rows can be asked where few are labelled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Rows of the target that are asked, at most: correlations are known well enough from these.
ASKED_ROWS = 500

Opinions = tuple[tuple[float, ...], ...]


def class_means(features: NDArray[np.float64], labels: NDArray[np.int64], *, classes: int) -> NDArray[np.float64]:
    """(c, d) mean of the features (n, d), of unit length, of each class; that of all rows for a class without any."""
    import numpy as np

    found = np.tile(features.mean(axis=0), (classes, 1))
    for label in np.unique(labels):
        found[label] = features[labels == label].mean(axis=0)
    return found


def opinions_of(said: NDArray[np.float64], head_classes: Sequence[str], classes: Sequence[str]) -> Opinions | None:
    """(rows, c) what is ``said`` (n, c_head) of the target's rows, for the target's classes; 0 for a class that is not known.

    Of at most ``ASKED_ROWS`` rows, evenly spaced. Less their mean over the classes known and over the rows, of root mean square 1.
    None where fewer than two of the ``classes`` are known, or where all rows are alike to it.
    """
    import numpy as np

    place = {name: index for index, name in enumerate(head_classes)}
    known = [index for index, name in enumerate(classes) if name in place]
    if len(known) < 2:
        return None
    asked = np.unique(np.linspace(0, len(said) - 1, min(len(said), ASKED_ROWS)).astype(int))
    values = said[asked][:, [place[classes[index]] for index in known]]
    values = values - values.mean(axis=1, keepdims=True)
    values = values - values.mean(axis=0)
    size = float(np.sqrt((values**2).mean()))
    if not np.isfinite(size) or size <= 1e-9:
        return None
    found = np.zeros((len(asked), len(classes)))
    found[:, known] = values / size
    return tuple(tuple(row) for row in np.round(found, 4).tolist())


def weighted_agreement(
    opinions: Mapping[str, Opinions | None], nearness: Mapping[str, float], *, with_itself: bool
) -> dict[str, float | None]:
    """Candidate -> mean correlation of its opinions with those of each source in ``nearness``, -1..1, higher is better.

    A source counts exp(nearness), and is held against itself too where ``with_itself`` says so: then what is near comes first where
    others agree as much. A candidate that is no source, such as the champion, counts for itself as a middling source would. None
    without opinions, or without another source that has any.
    """
    import numpy as np

    units: dict[str, NDArray[np.float64]] = {}
    for name, each in opinions.items():
        if each is not None:
            flat = np.asarray(each).ravel()
            units[name] = flat / np.linalg.norm(flat)
    weights = {name: math.exp(near) for name, near in nearness.items() if name in units}
    found: dict[str, float | None] = {}
    for name in opinions:
        others = [other for other in weights if other != name]
        if name not in units or not others:
            found[name] = None
            continue
        asked = [*others, name] if with_itself else others
        counts = np.array([weights.get(other, 1.0) for other in asked])
        found[name] = float(units[name] @ (counts @ np.array([units[other] for other in asked])) / counts.sum())
    return found
