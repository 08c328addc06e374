"""The labelled rows of a source: of one data set, or of several that are learned from together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootstock.errors import DataError, unknown_name
from rootstock.part import Rows
from rootstock.records import JOINT, Dataset, sources_of

if TYPE_CHECKING:
    from rootstock.rows import EncoderSource


@dataclass(frozen=True)
class SourceData:
    """What a backbone learns from. Labels of the same name are the same class in all data sets."""

    datasets: tuple[Dataset, ...]

    @property
    def name(self) -> str:
        """Names of the data sets, joined."""
        return JOINT.join(dataset.name for dataset in self.datasets)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of all data sets."""
        return joined_labels([dataset.labels for dataset in self.datasets])

    @property
    def row_count(self) -> int:
        """Labelled rows of all data sets."""
        return sum(dataset.splits["train"].rows for dataset in self.datasets)

    @property
    def sha256s(self) -> tuple[str, ...]:
        """Of the files that hold the rows."""
        return tuple(dataset.splits["train"].sha256 for dataset in self.datasets)

    def rows(self, encoder: EncoderSource) -> Rows:
        """All labelled rows, one data set after another, with their features (n, d) under the encoder and indices in ``labels``."""
        parts = [encoder.rows(dataset, "train") for dataset in self.datasets]
        return join_rows(parts, [dataset.labels for dataset in self.datasets])


def joined_labels(labels: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Labels of several data sets, sorted; equal names are one class."""
    return tuple(sorted({label for theirs in labels for label in theirs}))


def join_rows(parts: Sequence[Rows], labels: Sequence[Sequence[str]]) -> Rows:
    """Rows of several data sets, one after another, with indices in ``joined_labels``; ``labels`` are those of each part."""
    import numpy as np

    place = {label: index for index, label in enumerate(joined_labels(labels))}
    theirs = [np.array([place[label] for label in each], dtype=np.int64) for each in labels]
    return Rows(
        [value for part in parts for value in part.inputs],
        np.concatenate([places[part.labels] for places, part in zip(theirs, parts, strict=True)]),
        np.concatenate([part.features for part in parts]),
    )


def find_source(name: str | None, datasets: Sequence[Dataset]) -> SourceData:
    """The data of a source by its name, such as ``films`` or ``films + products``. Raises DataError for one that is not there."""
    known = {dataset.name: dataset for dataset in datasets}
    wanted = sources_of(name)
    missing = [each for each in wanted if each not in known]
    if missing or not wanted:
        said = unknown_name("source", missing[0] if missing else name, known)
        raise DataError(f"selection: {said}; run 'rootstock run' again")
    return SourceData(tuple(known[each] for each in wanted))
