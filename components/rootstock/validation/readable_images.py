"""Can every image be opened?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from rootstock.part import Check
from rootstock.pictures import kept_bytes
from rootstock.validation.result import check_result, share_of

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import CheckResult, Dataset

#: How many reasons are told.
NAMED_REASONS = 3


class ReadableImages(Check):
    """At most ``max_share`` of the images are empty, cut short, damaged, or no images.

    ``rootstock data add`` lets none in; a registry that something else has written to may hold some.
    """

    name: Literal["readable_images"] = "readable_images"
    max_share: Annotated[float, Field(ge=0, le=1)]

    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        import pandas as pd

        if dataset.modality != "image":
            nothing = pd.Series(False, index=rows.index)
            reason = f"these are {dataset.modality} rows, not images"
            return check_result(self.name, dataset.name, rows=rows, failing=nothing, passed=True, reason=reason)
        faults = pd.Series([_fault(value) for value in rows["input"]], index=rows.index, dtype="object")
        failing = faults.notna()
        broken = int(failing.sum())
        first = zip(rows["id"][failing].head(NAMED_REASONS), faults[failing].head(NAMED_REASONS), strict=True)
        named = ", ".join(f"{row} ({fault})" for row, fault in first)
        share = share_of(broken, len(rows))
        return check_result(
            self.name,
            dataset.name,
            rows=rows,
            failing=failing,
            passed=share <= self.max_share,
            reason=(
                f"{broken} of {len(rows)} images cannot be read ({share:.1%}; at most {self.max_share:.1%} allowed)"
                + (f": {named}" if broken else "")
            ),
        )


def _fault(value: Any) -> str | None:
    """Why an image cannot be read; None where it can."""
    try:
        kept_bytes(value if isinstance(value, bytes) else b"", most_pixels=None)
    except ValueError as error:
        return str(error)
    return None
