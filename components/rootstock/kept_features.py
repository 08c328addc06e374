"""Features of rows, kept on disk: a backbone embeds a data set once for all that read it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock import processes
from rootstock.backbone import Encoder, Features
from rootstock.errors import DataError
from rootstock.files import sha256_of_json, write_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Relative error, in length, that a row of kept features may have; half precision has at most 0.0005 unless a number is too
#: large (above 65,504) or too small for it.
KEPT_PRECISION = 1e-3


def embed_cached(
    load: Callable[[], Encoder], inputs: Sequence[Any], *, key: Sequence[str], cache_folder: Path, label: str
) -> Features:
    """Features under ``key`` (content hash of the encoder, hash of the rows), made by ``load`` in one pass where they are not kept.

    They are kept as memory-mapped half precision, a file for each pooling of the layers; in single precision where half would be
    wrong by more than ``KEPT_PRECISION``. What is returned is what is kept: the first answer equals every later one.
    """
    paths = [cache_folder / f"{sha256_of_json([*key, pooling])[:32]}.npy" for pooling in ("last", "mean")]
    with processes.first_alone():
        kept = [_read_kept(path, len(inputs)) for path in paths]
        if any(features is None for features in kept):
            made = load().embed_layers(inputs, label)
            for path, features in zip(paths, (made.last, made.layer_mean), strict=True):
                _keep(path, features)
            kept = [_read_kept(path, len(inputs)) for path in paths]
    last, layer_mean = (_computable(features, path) for features, path in zip(kept, paths, strict=True))
    return Features(last, layer_mean)


def _read_kept(path: Path, rows: int) -> NDArray[np.floating[Any]] | None:
    import numpy as np

    if path.is_file():
        with contextlib.suppress(ValueError, EOFError):  # a damaged file is made again
            kept: NDArray[np.floating[Any]] = np.load(path, mmap_mode="r", allow_pickle=False)
            return kept if len(kept) == rows else None
    return None


def _keep(path: Path, features: NDArray[np.float64]) -> None:
    import numpy as np

    with np.errstate(over="ignore"):
        half = features.astype(np.float16)
        error = np.linalg.norm(half - features, axis=-1)
    exact = bool((error <= KEPT_PRECISION * np.linalg.norm(features, axis=-1)).all())

    def save(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.save(stream, half if exact else features.astype(np.float32))

    write_file(path, save)


def _computable(kept: NDArray[np.floating[Any]] | None, path: Path) -> NDArray[np.float64]:
    import numpy as np

    if kept is None:
        raise DataError(f"{path}: expected the features written a moment ago, found none; something else changes the folder")
    return np.asarray(kept, dtype=np.float64)
