"""Does the same input stand in a split more than once?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.normal_form import normal_inputs
from rootstock.part import Check
from rootstock.validation.result import check_result, share_of

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import CheckResult, Dataset


class Duplicates(Check):
    """At most ``max_share`` of the rows to learn from or test on repeat the input of an earlier row of their split.

    Compared in normal form (case, blanks and Unicode form do not count; images by the hash of their bytes). The reason also tells
    how many repeats carry another label than the first: those are contradictions, and cap the accuracy that can be reached.
    """

    name: Literal["duplicates"] = "duplicates"
    max_share: Annotated[float, Field(ge=0, le=1)]

    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        used = rows[rows["split"] != "unused"]
        keyed = used[["split", "label"]].assign(key=normal_inputs(used))
        repeats = keyed.duplicated(["split", "key"], keep="first")
        first_label = keyed.groupby(["split", "key"])["label"].transform("first")
        contradictions = int((repeats & (keyed["label"] != first_label)).sum())
        share = share_of(int(repeats.sum()), len(used))
        return check_result(
            self.name,
            dataset.name,
            rows=rows,
            failing=repeats.reindex(rows.index, fill_value=False),
            passed=share <= self.max_share,
            reason=(
                f"{int(repeats.sum())} of {len(used)} rows repeat an earlier input of their split "
                f"({share:.1%}; at most {self.max_share:.1%} allowed), {contradictions} of them with another label"
            ),
        )
