"""Rows with what the champion said of them: one layout for the prediction log and for the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rootstock.part import Modality, Window

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.classifier import Prediction

PROBABILITY = "probability:"


def scored_rows(ids: Sequence[str], inputs: Sequence[Any], labels: Sequence[str], prediction: Prediction) -> pd.DataFrame:
    """Columns ``id``, ``input``, ``predicted``, ``probability:LABEL`` for each of c labels, ``embedding``; n rows, order kept."""
    import numpy as np
    import pandas as pd

    probabilities = np.asarray(prediction.probabilities, dtype=np.float64)
    best = probabilities.argmax(axis=1)
    columns: dict[str, Any] = {"id": list(ids), "input": list(inputs), "predicted": [labels[i] for i in best]}
    columns |= {f"{PROBABILITY}{label}": probabilities[:, i] for i, label in enumerate(labels)}
    columns["embedding"] = list(np.asarray(prediction.embeddings, dtype=np.float32))
    return pd.DataFrame(columns)


def probability_columns(rows: pd.DataFrame) -> list[str]:
    """Names of the probability columns, in the order of the labels."""
    return [str(name) for name in rows.columns if str(name).startswith(PROBABILITY)]


def window_of(rows: pd.DataFrame, modality: Modality) -> Window:
    """What drift tests see of scored rows."""
    import numpy as np

    return Window(
        descriptors=modality.descriptors(list(rows["input"])),
        embeddings=np.stack(list(rows["embedding"])).astype(np.float64),
        probabilities=rows[probability_columns(rows)].to_numpy(dtype=np.float64),
    )
