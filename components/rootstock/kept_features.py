"""Features of rows, kept on disk: a backbone embeds a data set once for all that read it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock import processes
from rootstock.encoder import Encoder, Features
from rootstock.errors import DataError
from rootstock.files import sha256_of_json, write_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Relative error, in length, that a row of kept features may have; half precision has at most 0.0005 unless a number is too
#: large (above 65,504) or too small for it.
KEPT_PRECISION = 1e-3
#: Rows that are embedded and kept at a time: so much of a large data set is lost at most where a run is killed.
PART_ROWS = 20_000


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
            _make(load, inputs, paths, label)
            kept = [_read_kept(path, len(inputs)) for path in paths]
    last, layer_mean = (_computable(features, path) for features, path in zip(kept, paths, strict=True))
    return Features(last, layer_mean)


def _make(load: Callable[[], Encoder], inputs: Sequence[Any], paths: Sequence[Path], label: str) -> None:
    """Write both files; of many rows part by part, each kept until all are there."""
    if len(inputs) <= PART_ROWS:
        _keep_both(paths, load().embed_layers(inputs, label))
        return
    encoder: Encoder | None = None
    parts: list[list[NDArray[np.floating[Any]]]] = [[] for _ in paths]
    places: list[Path] = []
    for start in range(0, len(inputs), PART_ROWS):
        part, own = inputs[start : start + PART_ROWS], [path.with_name(f"{path.stem}-from-{start}.npy") for path in paths]
        found = [_read_kept(path, len(part)) for path in own]
        if any(features is None for features in found):
            encoder = encoder or load()
            _keep_both(own, encoder.embed_layers(part, f"{label}, rows {start + 1:,} to {start + len(part):,} of {len(inputs):,}"))
            found = [_read_kept(path, len(part)) for path in own]
        for whole, features, path in zip(parts, found, own, strict=True):
            whole.append(_there(features, path))  # mapped: it stays though another process is done first and removes the file
        places += own
    for path, whole in zip(paths, parts, strict=True):
        _join(path, whole)
    for place in places:
        place.unlink(missing_ok=True)


def _keep_both(paths: Sequence[Path], made: Features) -> None:
    for path, features in zip(paths, (made.last, made.layer_mean), strict=True):
        _keep(path, features)


def _join(path: Path, parts: Sequence[NDArray[np.floating[Any]]]) -> None:
    """The parts, one below the other, in the greatest precision of any."""
    import numpy as np

    shape = (sum(map(len, parts)), *parts[0].shape[1:])

    def save(temporary: Path) -> None:
        joined = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.result_type(*parts), shape=shape)
        np.concatenate(parts, out=joined)
        joined.flush()

    write_file(path, save)


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

    return np.asarray(_there(kept, path), dtype=np.float64)


def _there(kept: NDArray[np.floating[Any]] | None, path: Path) -> NDArray[np.floating[Any]]:
    if kept is None:
        raise DataError(f"{path}: expected the features written a moment ago, found none; something else changes the folder")
    return kept
