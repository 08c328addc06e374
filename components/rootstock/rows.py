"""Rows of prepared data sets, and their features under an encoder, computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.backbone import content_hash, load_encoder, locate
from rootstock.classifier import group_hash, input_hash, load_tuned_encoder, read_card
from rootstock.encoder import Encoder, Features, check_padding
from rootstock.errors import DataError
from rootstock.files import sha256_of_json
from rootstock.groups import group_numbers
from rootstock.kept_features import embed_cached
from rootstock.part import Modality, Rows, UnlabelledRows
from rootstock.records import GROUP, Artifact, Dataset

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


#: Keys of backbones whose padding was found to change nothing.
_CHECKED: set[str] = set()


def tested_split(target: Dataset) -> str:
    """The split that models are measured on: ``test``, or ``train`` where nothing is held out (out of fold)."""
    return "test" if "test" in target.splits else "train"


def read_split(dataset: Dataset, split: str) -> pd.DataFrame:
    """Columns ``id``, ``input``, ``label``, perhaps ``keep:COLUMN`` and ``group``, of one split.

    Raises DataError if the file is gone.
    """
    import pandas as pd

    path = Path(dataset.splits[split].path)
    if not path.is_file():
        raise DataError(f"{path}: expected the {split} rows of {dataset.name}, found nothing; run 'rootstock run' again")
    return pd.read_parquet(path)


def were_learned(rows: pd.DataFrame, learned: frozenset[str]) -> NDArray[np.bool_]:
    """(n,) rows whose input, or another row of whose group, is among what a model learned from (``training_hashes``)."""
    import numpy as np

    groups = rows[GROUP] if GROUP in rows else [None] * len(rows)
    return np.array(
        [input_hash(value) in learned or (group is not None and group_hash(group) in learned)
         for value, group in zip(rows["input"], groups, strict=True)],
        dtype=bool,
    )  # fmt: skip


def groups_of(dataset: Dataset, split: str) -> tuple[str, ...]:
    """The different groups of a split's rows, sorted; none where rows have no groups."""
    rows = read_split(dataset, split)
    return tuple(sorted(set(rows[GROUP]))) if GROUP in rows else ()


def label_indices(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """(n,) index of each label among the classes. Raises DataError for a label that is none of them."""
    import numpy as np

    place = {name: index for index, name in enumerate(classes)}
    if unknown := sorted(set(labels) - set(place)):
        raise DataError(f"expected labels among {', '.join(classes)}, found '{unknown[0]}'; prepare the data again")
    return np.array([place[label] for label in labels], dtype=np.int64)


@dataclass(frozen=True)
class EmbeddedRows(Rows):
    """Rows with the features of all layers too."""

    layer_mean: NDArray[np.float64]
    """(n, d) mean over all layers, pooled"""


@dataclass(frozen=True)
class EncoderSource:
    """An encoder that is loaded only when its features are not yet kept."""

    key: str
    """content hash"""
    load: Callable[[], Encoder]
    cache_folder: Path

    def embed(self, inputs: Sequence[object], *, rows_sha256: str, label: str) -> NDArray[np.float64]:
        """(n, d) features of the rows file with this hash."""
        return self.embed_layers(inputs, rows_sha256=rows_sha256, label=label).last

    def embed_layers(self, inputs: Sequence[object], *, rows_sha256: str, label: str) -> Features:
        """Features of the last layer and the mean over all layers of the rows file with this hash."""
        return embed_cached(self.load, inputs, key=[self.key, rows_sha256], cache_folder=self.cache_folder, label=label)

    def rows(self, dataset: Dataset, split: str) -> EmbeddedRows:
        """A split with its features."""
        frame = read_split(dataset, split)
        inputs, labels = list(frame["input"]), label_indices(list(frame["label"]), dataset.labels)
        found = self.embed_layers(inputs, rows_sha256=dataset.splits[split].sha256, label=f"embedding {dataset.name}")
        return EmbeddedRows(inputs, labels, found.last, found.layer_mean, groups=group_numbers(frame))

    def unlabelled(self, target: Dataset) -> UnlabelledRows | None:
        """The target's rows that are neither labelled nor tested on, in an order that their content decides.

        Rows equal to one that is are left out, and those of a group that is tested on. Labels that such rows may have are not read.
        """
        hashes = tuple(sorted((split, rows.sha256) for split, rows in target.splits.items()))
        inputs = _neither_labelled_nor_tested(_Hashed(hashes, target))
        if not inputs:
            return None

        def features(rows: int) -> NDArray[np.float64]:
            key = sha256_of_json(["unlabelled", hashes, rows])
            return self.embed(inputs[:rows], rows_sha256=key, label=f"embedding {target.name}, rows without label")

        return UnlabelledRows(lambda rows: inputs[:rows], features)


def bare_encoder(name: str, modality: Modality, *, pooling: str, batch_rows: int, cache_folder: Path) -> EncoderSource:
    """The backbone as it was published. Loading it raises BackboneError where padding changes its answers."""
    folder = locate(name)

    def load() -> Encoder:
        encoder = Encoder(load_encoder(folder), modality.load_processor(folder), modality, pooling, batch_rows)
        if key not in _CHECKED:
            check_padding(encoder, name)
            _CHECKED.add(key)
        return encoder

    key = sha256_of_json([content_hash(folder), modality.model_dump(mode="json"), pooling])
    return EncoderSource(key, load, cache_folder)


def tuned_encoder(model: Artifact, *, batch_rows: int, cache_folder: Path) -> EncoderSource:
    """The backbone of a model folder, with what it has learned."""
    folder = Path(model.path)
    read_card(folder)
    return EncoderSource(model.sha256, lambda: load_tuned_encoder(folder, batch_rows), cache_folder)


@dataclass(frozen=True)
class _Hashed:
    """A dataset that is known by the hashes of its splits."""

    splits: tuple[tuple[str, str], ...]
    dataset: Dataset = field(compare=False)


@lru_cache(maxsize=1)
def _neither_labelled_nor_tested(target: _Hashed) -> tuple[object, ...]:
    """Different inputs, in the order of their hashes: every candidate and every fit asks for the same ones."""
    frames = {split: read_split(target.dataset, split) for split, _ in target.splits}
    tested = set(frames["test"][GROUP]) if GROUP in frames.get("test", ()) else set()
    free = frames.pop("unused", None)
    if free is not None and tested:
        free = free[~free[GROUP].isin(tested)]
    found = {input_hash(value): value for value in (free["input"] if free is not None else ())}
    others = {input_hash(value) for frame in frames.values() for value in frame["input"]} if found else set()
    return tuple(found[name] for name in sorted(found.keys() - others))


@cache
def feature_folder(workspace: str) -> Path:
    """Where features are kept."""
    return Path(workspace) / "features"
