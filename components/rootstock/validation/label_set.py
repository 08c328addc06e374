"""Are the labels a clean set of names?"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.normal_form import normal_text
from rootstock.part import Check
from rootstock.validation.result import check_result

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import CheckResult, Dataset


class LabelSet(Check):
    """At least ``min_classes`` labels in ``train``, none missing or blank, no two that differ only in case or blanks.

    "Bug" beside "bug " are two classes to a model and one to the person who typed them. Rows of the split ``unused``, which are
    neither learned nor tested by their label, need none.
    """

    name: Literal["label_set"] = "label_set"
    min_classes: Annotated[int, Field(ge=2)]

    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        labels = rows["label"]
        blank = labels.isna() | (labels.astype("str").str.strip() == "")
        spellings: dict[str, list[str]] = defaultdict(list)
        for label in labels[~blank].value_counts().index:
            spellings[normal_text(str(label))].append(str(label))
        rarer = [spelling for found in spellings.values() for spelling in found[1:]]
        missing = blank & (rows["split"] != "unused")
        classes = int(labels[(rows["split"] == "train") & ~blank].nunique())

        wrong = []
        if missing.any():
            wrong.append(f"{int(missing.sum())} rows have no label")
        if rarer:
            pairs = [" and ".join(repr(spelling) for spelling in sorted(found)) for found in spellings.values() if len(found) > 1]
            wrong.append(f"labels differ only in case or blanks: {'; '.join(sorted(pairs)[:3])}; give them one spelling")
        if classes < self.min_classes:
            wrong.append(f"train has {classes} classes, at least {self.min_classes} were expected")
        return check_result(
            self.name,
            dataset.name,
            rows=rows,
            failing=missing | labels.isin(rarer),
            passed=not wrong,
            reason="; ".join(wrong) or f"{classes} classes in train, each with one spelling" + _unlabelled(int(blank.sum())),
        )


def _unlabelled(rows: int) -> str:
    return f"; {rows} more rows have no label" if rows else ""
