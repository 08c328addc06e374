"""How a check says what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootstock.records import CheckResult

if TYPE_CHECKING:
    import pandas as pd

#: How many failing rows a result names.
NAMED_ROWS = 20


def check_result(
    check: str, dataset: str, *, rows: pd.DataFrame, failing: pd.Series[bool], passed: bool, reason: str
) -> CheckResult:
    """A result from a mask over ``rows``; names the ids of the first failing rows, in the rows' order."""
    ids = rows.loc[failing, "id"]
    return CheckResult(
        check=check,
        dataset=dataset,
        passed=passed,
        failing=len(ids),
        rows=len(rows),
        failing_rows=tuple(str(row) for row in ids.head(NAMED_ROWS)),
        reason=reason,
    )


def share_of(part: int, whole: int) -> float:
    """``part / whole``, and 0 of nothing."""
    return part / whole if whole else 0.0
