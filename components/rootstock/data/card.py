"""The card of a dataset version: what an auditor asks of data a year later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data.rows import label_counts
from rootstock.files import sha256_of
from rootstock.licence import canonical_licence

if TYPE_CHECKING:
    import pandas as pd


def make_card(
    frame: pd.DataFrame,
    *,
    modality: str,
    origin: str,
    columns: dict[str, Any] | None = None,
    licence: str | None = None,
) -> dict[str, Any]:
    """Modality, rows, class counts a split, columns of the origin, the origin's name and, of a file or folder, its sha256; licence.

    Raises InputError for a licence that is no SPDX expression.
    """
    path = Path(origin)
    return {
        "modality": modality,
        "rows": len(frame),
        "class_counts": {str(split): label_counts(part) for split, part in frame.groupby("split", sort=True)},
        "columns": columns,
        "origin": path.name if path.exists() else origin,
        "origin_sha256": sha256_of(path) if path.exists() else None,
        "licence": canonical_licence(licence) if licence else None,
    }
