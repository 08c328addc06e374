"""What the label-free metrics compare: rows of the target beside rows of the source, a draw of them where there are many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootstock.errors import DataError
from rootstock.head import scaled
from rootstock.part import Pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Samples:
    """Rows of two domains; features are of unit length, so distances compare between backbones."""

    target: NDArray[np.float64]
    """(n, d)"""
    source: NDArray[np.float64]
    """(m, d)"""
    target_labels: NDArray[np.int64] | None
    """None where rows without labels are among them"""
    source_labels: NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """Texts of two domains."""

    target: tuple[str, ...]
    source: tuple[str, ...]


def draw_samples(pair: Pair, rows: int, *, metric: str, labelled: bool = False) -> Samples | None:
    """Features and labels of at most ``rows`` rows of each domain, drawn with the pair's seed; with ``labelled``, of the target's
    labelled rows alone.

    None without a source, or with fewer than two rows on either side. Raises DataError for widths that differ and for features
    that are not finite.
    """
    if pair.source is None or min(len(pair.target.labels), len(pair.source.labels)) < 2:
        return None
    wanted, found = pair.target.features.shape[1], pair.source.features.shape[1]
    if wanted != found:
        raise DataError(f"{metric}: expected source features of {wanted} numbers as the target's, found {found}; use one backbone")
    features = pair.target.features if labelled else pair.domain_features
    target, chosen = _drawn(features, rows, seed=(pair.seed, 0), where=f"{metric}: target")
    source, lent = _drawn(pair.source.features, rows, seed=(pair.seed, 1), where=f"{metric}: source")
    return Samples(target, source, pair.target.labels[chosen] if labelled else None, pair.source.labels[lent])


def draw_texts(pair: Pair, rows: int) -> Texts | None:
    """At most ``rows`` texts of each domain, drawn with the pair's seed; None without a source, and where inputs are no texts."""
    if pair.source is None:
        return None
    target = _chosen(pair.domain_inputs, rows, seed=(pair.seed, 0))
    source = _chosen(pair.source.inputs, rows, seed=(pair.seed, 1))
    if not target or not source or not all(isinstance(text, str) for text in target + source):
        return None
    return Texts(target, source)


def _drawn(
    everything: NDArray[np.float64], rows: int, *, seed: tuple[int, int], where: str
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rows of unit length, and which they are."""
    import numpy as np

    index = _index(len(everything), rows, seed)
    features = np.asarray(everything[index], dtype=np.float64)
    if bad := int((~np.isfinite(features)).any(axis=1).sum()):
        raise DataError(
            f"{where}: expected finite features, found {bad} of {len(features)} rows without; the backbone cannot be used"
        )
    return scaled(features), index


def _chosen(inputs: Sequence[Any], rows: int, *, seed: tuple[int, int]) -> tuple[Any, ...]:
    return tuple(inputs[i] for i in _index(len(inputs), rows, seed))


def _index(count: int, rows: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    import numpy as np

    if count <= rows:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:rows])
