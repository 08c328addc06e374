"""Rows that hang together, such as all of one patient: which they are, folds that keep them together, and what they tell.

A group's rows are alike beyond what the task asks for, so none may be learned from where another is tested on, and so many of them
tell less than as many rows of different groups would.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rootstock.errors import DataError
from rootstock.files import sha256_of_json
from rootstock.records import GROUP

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: Draws of folds that are tried before there are fewer of them.
ATTEMPTS = 10
#: As if so many groups more told of the design effect, each with rows that are all alike: few groups tell little of it.
PRIOR_GROUPS = 2.0


def group_names(values: Sequence[str], ids: Sequence[str]) -> list[str]:
    """(n,) the group of each row; a row without one is a group of its own, named by its id."""
    return [value or f"row {row}" for value, row in zip(values, ids, strict=True)]


def group_numbers(rows: pd.DataFrame) -> NDArray[np.int64] | None:
    """(n,) the same number for rows of one group, whatever their order; None where rows have none."""
    import numpy as np

    return np.unique(rows[GROUP].astype(str), return_inverse=True)[1].astype(np.int64) if GROUP in rows else None


def bound_rows(groups: Sequence[str], inputs: Sequence[str]) -> NDArray[np.int64]:
    """(n,) numbers that rows share which have the group or the input in common, or are joined by other rows that have."""
    import numpy as np
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(groups)
    group, content = (pd.factorize(np.asarray(each, dtype=object))[0] for each in (groups, inputs))
    rows = np.concatenate([np.arange(n), np.arange(n)])
    others = np.concatenate([n + group, n + group.max(initial=-1) + 1 + content])
    size = int(others.max(initial=n - 1)) + 1
    _, number = connected_components(coo_array((np.ones(2 * n), (rows, others)), shape=(size, size)), directed=False)
    return np.asarray(number[:n], dtype=np.int64)


def with_their_group(rows: NDArray[np.bool_], groups: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """(n,) the same rows, and all others of a group that has one of them."""
    import numpy as np

    return rows if groups is None else np.isin(groups, groups[rows])


def one_row_of_each(groups: Sequence[str]) -> list[int]:
    """Indices, ascending, of one of the n rows of each group: by the hash of its name, and not always its first or newest."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    return sorted(
        rows[int(sha256_of_json(["one of", group])[:12], 16) % len(rows)] if len(rows) > 1 else rows[0]
        for group, rows in members.items()
    )


def start_of_newest(groups: Sequence[str], count: int) -> int:
    """From which of the n rows on, the newest last, there are rows of so many groups; 0 where there are fewer."""
    seen: set[str] = set()
    for row in range(len(groups) - 1, -1, -1):
        seen.add(groups[row])
        if len(seen) == count:
            return row
    return 0


def fewest_groups(labels: NDArray[np.int64], groups: NDArray[np.int64] | None) -> int:
    """Groups (n,) that have a class, of the class in the fewest; rows of it where each stands for itself."""
    import numpy as np

    if groups is None:
        return int(np.unique(labels, return_counts=True)[1].min())
    return min(len(np.unique(groups[labels == label])) for label in np.unique(labels))


def grouped_folds(
    labels: NDArray[np.int64], groups: NDArray[np.int64], *, folds: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(train, held-out) indices a fold, each class in its share as nearly as groups allow, and in every fold to learn from.

    Fewer folds where a class has fewer groups, or where groups are such that a fold would hold all of a class. Raises DataError
    where two folds cannot be made.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    fewest, classes = fewest_groups(labels, groups), len(np.unique(labels))
    for count in range(min(folds, fewest), 1, -1):
        for attempt in range(ATTEMPTS):
            splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed + attempt)
            splits = [(train, held) for train, held in splitter.split(np.zeros(len(labels)), labels, groups) if len(held)]
            if len(splits) > 1 and all(len(np.unique(labels[train])) == classes for train, _ in splits):
                return splits
    raise DataError(
        "expected each class in at least 2 groups of labelled rows (data.columns.group) that can be held out in turn, found "
        f"{fewest} of a class; label rows of more groups"
    )


def design_effect(values: NDArray[np.float64], groups: NDArray[np.int64] | None) -> float:
    """By how much the variance of a mean of ``values`` (n,) exceeds that of so many independent rows, 1 or more; 1 without groups.

    The ratio of the variance between group totals to that between rows (L. Kish, "Survey Sampling", 1965), by which J. N. K. Rao
    and A. J. Scott, "A simple method for the analysis of clustered binary data", Biometrics 48, 1992, divide counts before any test
    for independent rows. At most what it is where all rows of a group are alike, and the nearer taken to that the fewer groups it
    rests on: the ratio as it is lets tests on ten groups err more often than they say (``benchmarks/groups_error_rates.py``). Where
    no row differs from another nothing is known of it, and it is that.
    """
    import numpy as np

    if groups is None:
        return 1.0
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    most = float((sizes.astype(np.float64) ** 2).sum() / len(values))
    deviations = np.asarray(values, dtype=np.float64) - np.mean(values)
    within = float((deviations**2).sum())
    totals = np.bincount(number, deviations)
    between = float((totals**2).sum())
    if len(sizes) < 2 or within <= 1e-12 * len(values):
        return most
    found = min(max(between / within * len(sizes) / (len(sizes) - 1), 1.0), most)
    # So many groups of one size would vary as these do; all of them where no total differs from what is expected.
    telling = between**2 / float((totals**4).sum()) if between > 1e-9 * within else len(sizes)
    return found + (most - found) * PRIOR_GROUPS / (PRIOR_GROUPS + telling)
