"""Reload one exported format in a process of its own and answer rows with it: ``python -m rootstock.export.check``.

It imports the loader that ships beside the model, and with it only what the format needs.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from rootstock.reload import answer_as_asked

#: So many rows are answered in batches too: whether padding and neighbours change an answer.
BATCHED_ROWS = 256
REPORTED = ("onnxruntime", "tokenizers", "torch", "transformers", "lightgbm", "numpy", "PIL")


def answer(model: Any, inputs: list[Any]) -> dict[str, Any]:
    """Probabilities of all rows one by one (n, c) with the milliseconds of each, and of up to 256 in batches; what was imported."""
    import numpy as np
    from tqdm import tqdm

    for _ in range(3):  # the first calls allocate
        model.probabilities(inputs[:1])
    alone, milliseconds = [], []
    for value in tqdm(inputs, desc="answering one by one", disable=None, leave=False, file=sys.stderr):
        started = time.perf_counter()
        alone.append(model.probabilities([value])[0])
        milliseconds.append(1000 * (time.perf_counter() - started))
    picked = np.unique(np.linspace(0, len(inputs) - 1, BATCHED_ROWS).astype(int))
    batched = model.probabilities([inputs[row] for row in picked])
    return {
        "alone": np.array(alone), "milliseconds": np.array(milliseconds), "picked": picked, "batched": batched,
        "packages": json.dumps(packages()),
    }  # fmt: skip


def packages() -> dict[str, str]:
    """Version of each package of those reported that this process imported."""
    return {name: str(sys.modules[name].__version__) for name in REPORTED if name in sys.modules}


if __name__ == "__main__":
    answer_as_asked("rootstock.export.check", answer)
