"""Are test rows also rows to learn from?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.near_duplicates import near_duplicates
from rootstock.near_images import near_images
from rootstock.normal_form import normal_inputs
from rootstock.part import Check
from rootstock.validation.result import check_result, share_of

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import CheckResult, Dataset


class Leakage(Check):
    """At most ``max_share`` of the test rows stand, exactly or nearly, among the training rows.

    Exactly: equal in normal form (images: equal bytes). Nearly, for texts: a Jaccard similarity of their character 5-grams of
    ``similarity`` or more; for images: such a correlation of their pixels, whole or cut by a pixel. A source is held against the
    target's test rows: learning from those flatters every result. Copies that were found when the data were prepared are gone from
    it; what this check finds is what is left, for whatever reason.
    """

    name: Literal["leakage"] = "leakage"
    similarity: Annotated[float, Field(gt=0, le=1)]
    max_share: Annotated[float, Field(ge=0, le=1)]

    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        import pandas as pd

        inputs = normal_inputs(rows)
        train, test = inputs[rows["split"] == "train"], inputs[rows["split"] == "test"]
        exact = test.isin(set(train))
        near = pd.Series(False, index=test.index)
        if dataset.modality == "text" and len(train) and len(test):
            rest = test[~exact]
            near[~exact] = near_duplicates(list(rest), sorted(set(train)), similarity=self.similarity)
        if dataset.modality == "image" and len(train) and len(test):
            images, known = rows.loc[test.index[~exact], "input"], rows.loc[train.index, "input"]
            near[~exact] = near_images(images.tolist(), known.tolist(), similarity=self.similarity)
        leaked = exact | near
        share = share_of(int(leaked.sum()), len(test))
        return check_result(
            self.name,
            dataset.name,
            rows=rows,
            failing=leaked.reindex(rows.index, fill_value=False),
            passed=share <= self.max_share,
            reason=(
                f"{int(exact.sum())} of {len(test)} test rows are also training rows, {int(near.sum())} more nearly so "
                f"(similarity {self.similarity:g} or more): {share:.1%}, at most {self.max_share:.1%} allowed"
                if len(test)
                else "no test rows to leak"
            )
            + _dropped(dataset),
        )


def _dropped(dataset: Dataset) -> str:
    found = dataset.contamination
    if found is None or found.exact + found.near == 0:
        return ""
    return f"; {found.exact} copies of test rows and {found.near} near copies were dropped when the data were prepared"
