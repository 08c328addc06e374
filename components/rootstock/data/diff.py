"""What changed between two versions of a dataset."""

from __future__ import annotations

from pathlib import Path

from rootstock.data import registry as data_registry
from rootstock.data.rows import label_counts
from rootstock.errors import DataError
from rootstock.records import DatasetRevision, Value


class Relabelled(Value):
    """A row whose label changed."""

    id: str
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
    counts_before: dict[str, int]
    """label -> rows"""
    counts_after: dict[str, int]


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
        counts_before=label_counts(old),
        counts_after=label_counts(new),
    )


def _version(registry: Path, text: str) -> DatasetRevision:
    name, slash, _ = text.partition("/")
    return data_registry.resolve(registry, name, text if slash else data_registry.LATEST)
