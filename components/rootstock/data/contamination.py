"""Rows of a source that the target has too: found and taken out before anything is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rootstock.near_duplicates import few_words_apart, near_duplicates
from rootstock.near_images import near_images
from rootstock.normal_form import normal_input, normal_inputs
from rootstock.records import Contamination

if TYPE_CHECKING:
    import pandas as pd

NAMED_ROWS = 20


def without_copies(
    source: pd.DataFrame, target_inputs: Sequence[Any], *, similarity: float | None
) -> tuple[pd.DataFrame, Contamination]:
    """The rows of ``source`` (columns ``id``, ``input``) that are no copies of the target's inputs, and what was dropped.

    Exact copies are equal in normal form (images: equal bytes). Near ones, for texts, have a Jaccard similarity of their character
    5-grams of at least ``similarity``, or are at most two words apart; for images, a correlation of their pixels of at least
    ``similarity``, whole or cut by a pixel. None looks for exact copies only.
    """
    import numpy as np

    target = {normal_input(value) for value in target_inputs}
    inputs = normal_inputs(source)
    exact = inputs.isin(target).to_numpy(dtype=bool)
    near = np.zeros(len(source), dtype=bool)
    rest_inputs = source["input"][~exact].tolist()
    if similarity is not None and all(isinstance(value, bytes) for value in (*target_inputs, *rest_inputs)):
        near[~exact] = near_images(rest_inputs, list(dict.fromkeys(target_inputs)), similarity=similarity)
    elif similarity is not None and all(isinstance(value, str) for value in target_inputs):
        known, rest = sorted(target), list(inputs[~exact])
        near[~exact] = near_duplicates(rest, known, similarity=similarity) | few_words_apart(rest, known)
    found = source.loc[exact | near, "id"]
    contamination = Contamination(
        exact=int(exact.sum()), near=int(near.sum()), rows=tuple(str(row) for row in found.head(NAMED_ROWS))
    )
    return source[~(exact | near)], contamination
