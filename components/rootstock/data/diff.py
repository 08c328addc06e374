"""What changed between two versions of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.data import registry as data_registry
from rootstock.data.rows import label_counts
from rootstock.errors import DataError
from rootstock.records import KEPT, DatasetRevision, Value, kept_columns

if TYPE_CHECKING:
    import pandas as pd


class Relabelled(Value):
    """A row whose label changed."""

    id: str
    before: str
    after: str


class KeptChange(Value):
    """A row whose value in a kept column changed."""

    id: str
    column: str
    before: str
    after: str


class Difference(Value):
    """Rows by id, from version ``before`` to version ``after``."""

    before: DatasetRevision
    after: DatasetRevision
    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[Relabelled, ...]
    rewritten: tuple[str, ...]
    """ids whose input changed"""
    columns_added: tuple[str, ...]
    """kept columns (``data.columns.keep``) that the version before was added without"""
    columns_removed: tuple[str, ...]
    kept: tuple[KeptChange, ...]
    """changes in the columns that both versions keep, column by column"""
    counts_before: dict[str, int]
    """label -> rows"""
    counts_after: dict[str, int]

    @property
    def rows_with_other_columns(self) -> int:
        """Rows of which at least one kept column changed."""
        return len({change.id for change in self.kept})


def diff(registry: Path, a: str, b: str) -> Difference:
    """Compare two versions, each ``NAME/vN`` or ``NAME`` for its newest.

    Raises DataError for an unknown version, or two that share no dataset.
    """
    before, after = _version(registry, a), _version(registry, b)
    if before.dataset != after.dataset:
        raise DataError(
            f"expected two versions of one dataset, found {before.revision} and {after.revision}; 'rootstock data list' shows them"
        )
    old = data_registry.read_rows(registry, before).set_index("id")
    new = data_registry.read_rows(registry, after).set_index("id")
    both = sorted(set(old.index) & set(new.index))
    columns_before, columns_after = _kept_columns(old), _kept_columns(new)
    return Difference(
        before=before,
        after=after,
        added=tuple(sorted(set(new.index) - set(old.index))),
        removed=tuple(sorted(set(old.index) - set(new.index))),
        relabelled=tuple(
            Relabelled(id=row, before=was, after=now)
            for row, was, now in zip(both, old.loc[both, "label"], new.loc[both, "label"], strict=True)
            if was != now
        ),
        rewritten=tuple(
            row for row, was, now in zip(both, old.loc[both, "input"], new.loc[both, "input"], strict=True) if was != now
        ),
        columns_added=tuple(name for name in columns_after if name not in columns_before),
        columns_removed=tuple(name for name in columns_before if name not in columns_after),
        kept=tuple(
            change
            for column in columns_before
            if column in columns_after
            for change in _kept_changes(old.loc[both, f"{KEPT}{column}"], new.loc[both, f"{KEPT}{column}"], column)
        ),
        counts_before=label_counts(old),
        counts_after=label_counts(new),
    )


def _kept_columns(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(name.removeprefix(KEPT) for name in kept_columns(rows)))


def _kept_changes(before: pd.Series, after: pd.Series, column: str) -> Iterator[KeptChange]:
    """Of the same n rows in both versions."""
    for row, was, now in zip(before.index, before, after, strict=True):
        if was != now:
            yield KeptChange(id=row, column=column, before=was, after=now)


def _version(registry: Path, text: str) -> DatasetRevision:
    name, slash, _ = text.partition("/")
    return data_registry.resolve(registry, name, text if slash else data_registry.LATEST)
