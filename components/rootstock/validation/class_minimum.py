"""Does every class have enough rows to be learned?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.part import Check
from rootstock.validation.result import check_result

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import CheckResult, Dataset


class ClassMinimum(Check):
    """At least ``rows`` training rows of each of the dataset's labels."""

    name: Literal["class_minimum"] = "class_minimum"
    rows: Annotated[int, Field(ge=1)]

    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        in_train = rows["split"] == "train"
        found = rows.loc[in_train, "label"].value_counts()
        counts = {label: int(found.get(label, 0)) for label in dataset.labels}
        small = {label: count for label, count in counts.items() if count < self.rows}
        if not counts:
            reason = "the dataset has no labels"
        elif small:
            few = ", ".join(f"'{label}' has {count}" for label, count in sorted(small.items(), key=lambda item: item[1])[:5])
            more = f" and {len(small) - 5} more" if len(small) > 5 else ""
            reason = f"{len(small)} of {len(counts)} classes have fewer than {self.rows} training rows: {few}{more}"
        else:
            fewest = min(counts, key=lambda label: counts[label])
            reason = f"the smallest of {len(counts)} classes, '{fewest}', has {counts[fewest]} training rows"
        return check_result(
            self.name,
            dataset.name,
            rows=rows,
            failing=in_train & rows["label"].isin(list(small)),
            passed=bool(counts) and not small,
            reason=reason,
        )
