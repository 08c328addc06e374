"""The one table all data becomes: columns ``id``, ``input``, ``label``, ``split``, perhaps ``keep:COLUMN``, one row an example."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.records import KEPT

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("id", "input", "label", "split")


def content_ids(inputs: Iterable[str | bytes]) -> list[str]:
    """First 16 hex digits of each input's sha256; ``-2``, ``-3`` ... are appended where an input repeats."""
    seen: Counter[str] = Counter()
    ids = []
    for value in inputs:
        digest = hashlib.sha256(value if isinstance(value, bytes) else value.encode()).hexdigest()[:16]
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids


def input_key(value: str | bytes) -> str:
    """The same key for inputs that differ only in case or blanks (texts) or in nothing (images)."""
    content = value if isinstance(value, bytes) else " ".join(value.casefold().split()).encode()
    return hashlib.sha256(content).hexdigest()


def make_frame(
    inputs: Sequence[str | bytes],
    labels: Sequence[str],
    *,
    splits: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    kept: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """A canonical frame of n rows; without ``ids`` they come from the content, without ``splits`` none is declared ("").

    ``kept`` holds further columns by name, n texts each. Rows with the same input are numbered by what else they hold, so that rows
    in another order are the same rows.
    """
    import pandas as pd

    if ids is None:
        others = list(zip(labels, splits if splits is not None else labels, *(kept or {}).values(), strict=True))
        order = sorted(range(len(inputs)), key=others.__getitem__)
        named = dict(zip(order, content_ids(inputs[row] for row in order), strict=True))
        ids = [named[row] for row in range(len(inputs))]
    return pd.DataFrame(
        {
            "id": pd.Series(list(ids), dtype="str"),
            "input": pd.Series(list(inputs), dtype="object" if any(isinstance(value, bytes) for value in inputs) else "str"),
            "label": pd.Series(list(labels), dtype="str"),
            "split": pd.Series(list(splits) if splits is not None else [""] * len(inputs), dtype="str"),
        }
        | {f"{KEPT}{name}": pd.Series(list(values), dtype="str") for name, values in (kept or {}).items()}
    )


def write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write ``frame`` as Parquet with the same bytes for the same rows: no index, no library metadata in the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_image = len(frame) > 0 and isinstance(frame["input"].iloc[0], bytes)
    types = {name: pa.binary() if name == "input" and is_image else pa.string() for name in frame.columns}
    table = pa.table({name: pa.array(frame[name].tolist(), type=kind) for name, kind in types.items()})
    pq.write_table(table, path, compression="zstd")


def label_counts(frame: pd.DataFrame) -> dict[str, int]:
    """Label -> rows, sorted by label; rows without a label are left out."""
    return {label: n for label, n in sorted(Counter(frame["label"].tolist()).items()) if label}
