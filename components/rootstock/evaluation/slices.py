"""Cutting the test rows into slices: by class, by length, by any kept column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootstock.errors import DataError, unknown_name

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

LABEL, LENGTH = "label", "length"
PREFIX = "slice:"
#: So many names of small slices are written out.
NAMED = 5


@dataclass(frozen=True)
class Slice:
    """Some of the n test rows."""

    column: str
    value: str
    mask: NDArray[np.bool_]
    """(n,)"""

    @property
    def rows(self) -> int:
        """How many they are."""
        return int(self.mask.sum())

    @property
    def name(self) -> str:
        """Such as ``length 12 to 40``."""
        return f"{self.column} {self.value}"


def slice_columns(rows: pd.DataFrame) -> tuple[str, ...]:
    """Columns that the rows can be cut by: ``label``, and each that was kept."""
    return (LABEL, *(name.removeprefix(PREFIX) for name in rows.columns if name.startswith(PREFIX)))


def column_of(rows: pd.DataFrame, column: str, *, where: str) -> pd.Series:
    """The values of a column that rows can be cut by. Raises DataError naming the known ones."""
    known = slice_columns(rows)
    if column not in known:
        raise DataError(f"{where}: {unknown_name('column', column, known)}; data.columns.keep names those that are kept")
    return rows[LABEL if column == LABEL else f"{PREFIX}{column}"]


def cut(rows: pd.DataFrame, columns: Sequence[str], *, bins: int, where: str) -> list[Slice]:
    """A slice for each value of each column; numbers with more than ``bins`` values are cut at their quantiles.

    Classes are names, whatever they look like: each is a slice of its own. So are the rows without a value, ``without``. Raises
    DataError for an unknown column.
    """
    found = []
    for column in columns:
        names = value_names(column_of(rows, column, where=where), bins=None if column == LABEL else bins)
        found += [Slice(column, name, names == name) for name in sorted(set(names.tolist()))]
    return found


def value_names(values: pd.Series, *, bins: int | None) -> NDArray[np.object_]:
    """(n,) the name of each row's slice."""
    import numpy as np
    import pandas as pd

    text = values.astype("str").mask(values.isna() | (values == ""), "without")
    names: NDArray[np.object_] = text.to_numpy(dtype=object)
    numbers = pd.to_numeric(values.replace("", np.nan), errors="coerce")
    given = names != "without"
    if bins is None or numbers[given].isna().any() or numbers[given].nunique() <= bins:
        return names
    inside = numbers[given].to_numpy(dtype=float)
    edges = np.unique(np.quantile(inside, np.arange(1, bins) / bins))
    bin_of = np.searchsorted(edges, inside, side="left")
    ends = {b: (inside[bin_of == b].min(), inside[bin_of == b].max()) for b in np.unique(bin_of)}
    ranges = {b: f"{low:g} to {high:g}" for b, (low, high) in ends.items()}
    if len(set(ranges.values())) < len(ends):  # days as 20240131, and times, are alike in the six digits of :g
        ranges = {b: f"{low:.15g} to {high:.15g}" for b, (low, high) in ends.items()}
    names[given] = [ranges[b] for b in bin_of]
    return names


def enough(slices: Sequence[Slice], *, fewest: int) -> tuple[list[Slice], list[Slice]]:
    """Slices to judge, and those with too few rows even together.

    Slices of a column with fewer than ``fewest`` rows are judged together, as one: alone they could tell nothing, and left out
    their rows would be out of sight.
    """
    judged = [each for each in slices if each.rows >= fewest]
    unjudged = []
    for column in dict.fromkeys(each.column for each in slices):
        small = [each for each in slices if each.column == column and each.rows < fewest]
        if sum(each.rows for each in small) >= fewest:
            judged.append(_together(column, small))
        else:
            unjudged += small
    return judged, unjudged


def _together(column: str, small: Sequence[Slice]) -> Slice:
    names = ", ".join(each.value for each in small[:NAMED]) + (f" and {len(small) - NAMED} more" if len(small) > NAMED else "")
    mask = small[0].mask.copy()
    for each in small[1:]:
        mask |= each.mask
    return Slice(column, f"({len(small)} small ones: {names})", mask)
