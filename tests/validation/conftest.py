"""Small datasets to ask questions of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rootstock.files import sha256_of
from rootstock.records import Contamination, Dataset, DatasetRevision, RowsFile

# pytest's importlib mode leaves sys.path alone; this folder's own modules are imported by name.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def make_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dataset]:
    """Write a frame's splits as Parquet under the working directory and describe them."""
    monkeypatch.chdir(tmp_path)

    def make(
        rows: pd.DataFrame, *, name: str = "bugs", modality: str = "text", contamination: Contamination | None = None
    ) -> Dataset:
        splits = {}
        for split, part in rows.groupby("split"):
            path = Path(f"{name}-{split}.parquet")
            part.drop(columns="split").to_parquet(path, index=False)
            splits[str(split)] = RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(part))
        labels = tuple(sorted(str(label) for label in rows["label"].dropna().unique()))
        counts = {split: {} for split in splits}
        revision = DatasetRevision(dataset=name, revision=f"{name}/v1", git_sha="0" * 40, md5="0" * 32)
        return Dataset(
            name=name,
            modality=modality,
            revision=revision,
            splits=splits,
            labels=labels,
            class_counts=counts,
            contamination=contamination,
        )

    return make
