"""Which scores, in which proportions, put past sources in the order of what they gained.

Ensemble selection (Caruana et al. 2004, ICML, "Ensemble selection from libraries of models"): one score after another is added, the
same again where it helps, as long as the order gets better; how often a score was taken is its weight. A sum of squares explains
middling sources, which are many; an order is judged by its first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Scores are added so many times at most, and as long as the order gets better by more than rounding.
MOST_STEPS, LEAST_IMPROVEMENT = 20, 1e-4


def select_ensemble(
    scores: NDArray[np.float64],
    gains: NDArray[np.float64],
    *,
    rankings: NDArray[np.str_],
    sources: NDArray[np.str_],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(d,) weights of scores (n, d), none below zero, of sum 1, or 0 where no score orders better than none.

    Rows of one source in one ranking count as their mean; a ranking counts as much as the ``weights`` (n,) of its rows together.
    """
    import numpy as np

    scores, gains, rankings, weights = _once(scores, gains, rankings, sources, weights)
    better, worse, shares = ordered_pairs(gains, rankings, weights)
    apart = (scores[better] - scores[worse]).astype(np.float32)
    shares = shares.astype(np.float32)
    taken, sums, best = np.zeros(scores.shape[1]), np.zeros(len(apart), dtype=np.float32), 0.0
    for _ in range(MOST_STEPS if scores.shape[1] else 0):
        found = shares @ np.sign(np.round(sums[:, None] + apart, 5))
        score = int(found.argmax())
        if found[score] <= best + LEAST_IMPROVEMENT:
            break
        best, sums = float(found[score]), sums + apart[:, score]
        taken[score] += 1
    return np.asarray(taken / max(float(taken.sum()), 1.0))


def concordance(
    said: NDArray[np.float64], gains: NDArray[np.float64], *, rankings: NDArray[np.str_], sources: NDArray[np.str_]
) -> float:
    """Mean over the rankings of a weighted Kendall tau of what is ``said`` (n,) against ``gains`` (n,), -1..1, higher is better.

    As Vigna (2015, WWW, "A weighted correlation index for rankings with ties") weighs pairs, by the ranks of their gains alone.
    Rows of one source in one ranking count as their mean.
    """
    import numpy as np

    once, gains, rankings, _ = _once(said[:, None], gains, rankings, sources, np.ones(len(gains)))
    better, worse, shares = ordered_pairs(gains, rankings, np.ones(len(gains)))
    return float(shares @ np.sign(np.round(once[better, 0] - once[worse, 0], 9)))


def ordered_pairs(
    gains: NDArray[np.float64], rankings: NDArray[np.str_], weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Indices of the better and the worse of each pair in a ranking, and how much it counts, of sum 1.

    Of a ranking's share, a pair has as much as 1 / rank of either: whether the best is first matters most.
    """
    import numpy as np

    better, worse, shares = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for ranking in np.unique(rankings):
        rows = np.flatnonzero((rankings == ranking) & (weights > 0))
        order = rows[np.argsort(-gains[rows], kind="stable")]
        first, second = np.triu_indices(len(order), 1)
        apart = gains[order[first]] > gains[order[second]]
        first, second = first[apart], second[apart]
        if len(first):
            ranks = 1.0 / (first + 1) + 1.0 / (second + 1)
            better.append(order[first])
            worse.append(order[second])
            shares.append(ranks / ranks.sum() * weights[rows].sum())
    all_shares = np.concatenate(shares)
    return np.concatenate(better), np.concatenate(worse), all_shares / max(float(all_shares.sum()), 1e-300)


def _once(
    scores: NDArray[np.float64],
    gains: NDArray[np.float64],
    rankings: NDArray[np.str_],
    sources: NDArray[np.str_],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_], NDArray[np.float64]]:
    """Means over the rows of one source in one ranking, a missing score counting 0."""
    import numpy as np

    _, first, place = np.unique(np.char.add(np.char.add(rankings, "\n"), sources), return_index=True, return_inverse=True)
    mass = np.asarray(np.bincount(place, weights), dtype=float)
    share = weights / np.maximum(mass, 1e-300)[place]
    sums = np.zeros((len(first), scores.shape[1]))
    np.add.at(sums, place, share[:, None] * np.nan_to_num(scores))
    return sums, np.asarray(np.bincount(place, share * gains), dtype=float), rankings[first], mass
