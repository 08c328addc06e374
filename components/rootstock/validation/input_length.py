"""Are the texts neither empty nor endless?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from rootstock.part import Check
from rootstock.validation.result import check_result, share_of

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import CheckResult, Dataset


class InputLength(Check):
    """At most ``max_share`` of the texts are shorter than ``min_characters`` or longer than ``max_characters``.

    Blanks at both ends do not count; a missing text has length 0.
    """

    name: Literal["input_length"] = "input_length"
    min_characters: Annotated[int, Field(ge=0)]
    max_characters: Annotated[int, Field(ge=1)]
    max_share: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError(f"expected min_characters <= max_characters, found {self.min_characters} > {self.max_characters}")
        return self

    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        import pandas as pd

        if dataset.modality != "text":
            nothing = pd.Series(False, index=rows.index)
            reason = f"only texts have a length in characters, these are {dataset.modality} rows"
            return check_result(self.name, dataset.name, rows=rows, failing=nothing, passed=True, reason=reason)
        lengths = pd.Series([len(v.strip()) if isinstance(v, str) else 0 for v in rows["input"]], index=rows.index, dtype="int64")
        short, long = lengths < self.min_characters, lengths > self.max_characters
        share = share_of(int((short | long).sum()), len(rows))
        return check_result(
            self.name,
            dataset.name,
            rows=rows,
            failing=short | long,
            passed=share <= self.max_share,
            reason=(
                f"{int(short.sum())} of {len(rows)} texts are shorter than {self.min_characters} characters, "
                f"{int(long.sum())} longer than {self.max_characters} ({share:.1%}; at most {self.max_share:.1%} allowed)"
            ),
        )
