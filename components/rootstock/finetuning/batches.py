"""Batches of rows of like length, in random order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.encoder import Encoder
    from rootstock.part import Rows

#: Batches are cut from this many batches' worth of rows sorted by length: little padding, and still a random order.
SORTED_BATCHES = 128


def shuffled_batches(encoder: Encoder, rows: Rows, *, batch_rows: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Indices of rows, each once, in batches; the same for the same seed and epoch."""
    import numpy as np

    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(rows.labels))
    lengths = encoder.modality.lengths(rows.inputs, encoder.processor)
    size = batch_rows * SORTED_BATCHES
    chunks = [order[start : start + size] for start in range(0, len(order), size)]
    in_order = [chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks]
    cut = [chunk[start : start + batch_rows] for chunk in in_order for start in range(0, len(chunk), batch_rows)]
    return [cut[place] for place in random.permutation(len(cut))]
