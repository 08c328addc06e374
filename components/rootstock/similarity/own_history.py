"""What a team's own outcomes were above what was to be expected, and what that says of the target at hand.

Such an error is taken for a sum: what all of the team's targets share, what all sources of one target share, what a source has on
targets like this one, what it has on that target alone, and chance. How much of one error goes to which part follows from how large
the parts are elsewhere (best linear unbiased prediction, Henderson 1975, Biometrics 31(2)): a single outcome moves all a little,
and where many sources were tried on a target, it shows which of them did better than it seemed. Sources learned from together have
the mean of their parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rootstock.records import Outcome, sources_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Variances of the parts, where that of chance (which rows are labelled, how training went) is 1. Of the size that
#: ``benchmarks/error_parts.py`` finds in five families; a source's is set lower than its median there, where rankings are better.
OF_ALL, OF_TARGET, OF_SOURCE, OF_BOTH = 0.5, 0.7, 0.4, 0.3
ALL_PARTS = OF_ALL + OF_TARGET + OF_SOURCE + OF_BOTH + 1.0

#: What a team has seen counts half in how far off a prediction may be, once it comes of so many targets.
HALF_TRUST = 3.0


def shift_of(
    outcomes: Sequence[Outcome],
    errors: Sequence[float],
    *,
    usual_error: float,
    sources: Sequence[str],
    target: str,
    nearness: Mapping[str, float],
) -> NDArray[np.float64]:
    """(s,) by how much predictions for ``sources`` of the ``target`` are moved, from errors (n,) of the team's own outcomes.

    What a source has on a past target correlates with what it has on this one by exp(-how much farther from this one that target
    lies than the nearest source), in ``nearness``, where one that is not among the sources is middling. On the target itself it is
    the same. An outcome measured on few rows says the less, the more its standard error exceeds the ``usual_error``, the root mean
    square of errors where nothing is known of a team.
    """
    import numpy as np

    if not outcomes:
        return np.zeros(len(sources))
    nearest = max(nearness.values(), default=0.0)
    itself = np.array([outcome.target == target for outcome in outcomes])
    near = np.array([nearness.get(outcome.target, 0.0) for outcome in outcomes])
    alike = np.where(itself, 1.0, np.exp(np.minimum(near - nearest, 0.0)))
    learned_from = _overlap(sources, [outcome.source for outcome in outcomes])
    to_here = OF_ALL + OF_TARGET * itself + learned_from * (OF_SOURCE * alike + OF_BOTH * itself)
    return np.asarray(to_here @ np.linalg.solve(_covariance(outcomes, alike, usual_error), np.array(errors)))


def left_out_errors(outcomes: Sequence[Outcome], errors: Sequence[float], *, usual_error: float) -> NDArray[np.float64]:
    """Errors (n,) of the team's own outcomes, each less what those on other targets foretell of it."""
    import numpy as np

    precision = np.linalg.inv(_covariance(outcomes, np.ones(len(outcomes)), usual_error))
    weighted, targets = precision @ np.array(errors), _targets(outcomes)
    left = np.zeros(len(outcomes))
    for target in np.unique(targets):
        held = targets == target
        left[held] = np.linalg.solve(precision[np.ix_(held, held)], weighted[held])
    return left


def _covariance(outcomes: Sequence[Outcome], alike: NDArray[np.float64], usual_error: float) -> NDArray[np.float64]:
    """(n, n) of errors; ``alike`` (n,) is the correlation of a source on each one's target with itself on the target at hand."""
    import numpy as np

    targets, sources = _targets(outcomes), [outcome.source for outcome in outcomes]
    one_target = targets[:, None] == targets[None]
    of_source = OF_SOURCE * np.where(one_target, 1.0, np.outer(alike, alike)) + OF_BOTH * one_target
    measured = np.array([outcome.standard_error for outcome in outcomes]) / max(usual_error, 1e-9)
    return np.asarray(
        OF_ALL + OF_TARGET * one_target + of_source * _overlap(sources, sources) + np.diag(1.0 + ALL_PARTS * measured**2)
    )


def _targets(outcomes: Sequence[Outcome]) -> NDArray[np.str_]:
    """(n,) names of data sets: one that several tasks learn is one target."""
    import numpy as np

    return np.array([outcome.target for outcome in outcomes])


def _overlap(some: Sequence[str], others: Sequence[str]) -> NDArray[np.float64]:
    """(m, n) 1 for the same source; of sources together, each counts its share."""
    import numpy as np

    place: dict[str, int] = {}
    for source in (*some, *others):
        for member in sources_of(source):
            place.setdefault(member, len(place))

    def shares(wanted: Sequence[str]) -> NDArray[np.float64]:
        found = np.zeros((len(wanted), len(place)))
        for row, source in enumerate(wanted):
            members = [place[member] for member in sources_of(source)]
            found[row, members] = 1.0 / len(members)
        return found

    return shares(some) @ shares(others).T
