"""The columns that say which slices a row belongs to: those that were kept, and the length of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootstock.records import KEPT, SLICE, kept_columns

if TYPE_CHECKING:
    import pandas as pd

LENGTH = f"{SLICE}length"


def columns_of_slices(rows: pd.DataFrame, *, modality: str) -> pd.DataFrame:
    """``slice:COLUMN`` for each column kept with the n rows ("" where a row has no value), and ``slice:length`` of texts.

    A column that was kept under the name "length" stands in the place of the text's own.
    """
    import pandas as pd

    found = {f"{SLICE}{name.removeprefix(KEPT)}": rows[name].fillna("").astype("str") for name in kept_columns(rows)}
    if modality == "text" and LENGTH not in found and (lengths := length_slices(rows["input"])) is not None:
        found[LENGTH] = lengths
    return pd.DataFrame(found, index=rows.index)


def length_slices(texts: pd.Series) -> pd.Series | None:
    """Each text as short (up to the lower quartile of these n), long (above the upper quartile) or medium, with its range.

    Characters are counted. None where all texts fall into one of the three.
    """
    lengths = texts.str.len()
    lower, upper = lengths.quantile(0.25), lengths.quantile(0.75)
    kinds = lengths.map(lambda length: "short" if length <= lower else "long" if length > upper else "medium")
    names = {
        str(kind): f"{kind} ({int(part.min())} to {int(part.max())} characters)" for kind, part in lengths.groupby(kinds, sort=True)
    }
    return kinds.map(names).astype("str") if len(names) > 1 else None
