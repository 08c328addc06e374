"""Are there enough rows at all?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.part import Check
from rootstock.validation.result import check_result

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import CheckResult, Dataset

#: Splits that are learned from or measured on; rows in any other split are left alone.
USED_SPLITS = ("train", "test")


class RowMinimum(Check):
    """At least ``rows`` rows in ``train``, and in ``test`` where the dataset has that split."""

    name: Literal["row_minimum"] = "row_minimum"
    rows: Annotated[int, Field(ge=1)]

    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        counts = {split: int((rows["split"] == split).sum()) for split in USED_SPLITS if split in dataset.splits}
        short = [split for split, count in counts.items() if count < self.rows]
        found = ", ".join(f"{split} has {count} rows" for split, count in counts.items()) or "no split to use"
        advice = "" if counts and not short else "; add labelled rows, or lower 'rows' of row_minimum in validation.checks"
        return check_result(
            self.name,
            dataset.name,
            rows=rows,
            failing=rows["split"].isin(short),
            passed=bool(counts) and not short,
            reason=f"{found}; at least {self.rows} {'were expected in each' if len(counts) > 1 else 'were expected'}{advice}",
        )
