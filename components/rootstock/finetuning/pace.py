"""How fast a backbone is on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rootstock.backbone import device

if TYPE_CHECKING:
    from rootstock.encoder import Encoder

TIMED_ROWS = 64
#: In one batch all rows would be as long as the longest; among many, rows of a batch are of like length, as they are in small ones.
TIMED_BATCH = 8
WARM_UP_ROWS = 4


def rows_per_second(encoder: Encoder, inputs: Sequence[Any]) -> float:
    """Rows that the encoder embeds in a second where it embeds many, by embedding up to 64 of n >= 1 ``inputs`` now."""
    sample = list(inputs)[:TIMED_ROWS]
    # A GPU minds the padding less than the number of batches.
    timed = encoder if device() == "cuda" else replace(encoder, batch_rows=min(TIMED_BATCH, encoder.batch_rows))
    timed.embed(sample[:WARM_UP_ROWS], "timing the backbone")
    started = time.perf_counter()
    timed.embed(sample, "timing the backbone")
    return len(sample) / (time.perf_counter() - started)
