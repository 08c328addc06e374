"""What every section is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Section(BaseModel):
    """Base of every section: frozen, unknown keys are errors, and numbers are finite: others are no JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _refuse_repeated(names: Sequence[str]) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"expected each name once, found {', '.join(repeated)} more than once")


def each_once(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Parts of different names."""
    _refuse_repeated([part.name for part in value])
    return value


def has_parts(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """At least one Part, and of different names."""
    each_once(value)
    if not value:
        raise ValueError("expected at least one entry, found an empty list")
    return value


def names_once(value: tuple[str, ...]) -> tuple[str, ...]:
    """Different names."""
    _refuse_repeated(value)
    return value
