"""Rows that nobody has labelled, and which of them people should label next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootstock.errors import DataError
from rootstock.files import sha256_of_json
from rootstock.part import Pool, QueryStrategy
from rootstock.records import CHOSEN, SAMPLE, Value, kept_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


#: Share of rows without a label that are only ever drawn by chance.
KEPT_SHARE = 0.25


@dataclass(frozen=True)
class Choice:
    """Indices into a pool of n rows, none twice."""

    chosen: NDArray[np.int64]
    """what the strategy wants to be labelled, the most wanted first: to learn from, never to test on"""
    sample: NDArray[np.int64]
    """drawn by chance from rows that no strategy has been shown"""


class ChosenRows(Value):
    """Which rows were asked for, and what the model expects of them."""

    strategy: str
    seed: int
    pool: int
    """rows there were to choose and to draw from, each input once, none of them labelled before"""
    chosen: int
    sample: int
    expected_errors: float
    """share of the chosen rows in which the model, by its own probabilities, expects to be wrong"""
    expected_errors_by_chance: float
    """the same of rows drawn by chance"""

    def says(self) -> str:
        """One line for people."""
        first = (
            f"{self.chosen} of {self.pool} rows without a label, chosen by {self.strategy}: the model expects to be wrong in "
            f"{self.expected_errors:.0%} of them, and in {self.expected_errors_by_chance:.0%} of rows drawn by chance"
        )
        return f"{first}; {self.sample} more are drawn by chance, for the test" if self.sample else first


def different_rows(keys: Sequence[str], *, labelled: frozenset[str]) -> list[int]:
    """Indices of the first row of each key that is not among the ``labelled`` ones, in order."""
    first: dict[str, int] = {}
    for index, key in enumerate(keys):
        if key not in labelled:
            first.setdefault(key, index)
    return list(first.values())


def kept_for_chance(keys: Sequence[str]) -> NDArray[np.bool_]:
    """(n,) rows, by the keys of their inputs, that no strategy is ever shown: those drawn by chance are drawn from them.

    It hangs on the key alone. What a strategy leaves behind is the easier the more often it has chosen, so rows drawn from
    the same pool would flatter a model round by round; and so would a share that changes between rounds.
    """
    import numpy as np

    places = [int(sha256_of_json(["kept for chance", key])[:8], 16) / 16**8 for key in keys]
    return np.array(places) < KEPT_SHARE


def check_pool(kept: NDArray[np.bool_], *, rows: int, sample: int) -> None:
    """Raise DataError where fewer rows are there than are asked for; before a model reads them all."""
    for wanted, found, what in ((rows, int((~kept).sum()), "to choose from"), (sample, int(kept.sum()), "kept to draw by chance")):
        if found < wanted:
            raise DataError(
                f"expected at least {wanted} of the different rows without a label {what}, found {found} ({KEPT_SHARE:.0%} of "
                "all are only drawn by chance); ask for fewer, or add rows: 'rootstock predict' logs them, 'rootstock data add' "
                "takes them in a split of their own"
            )


def choose_rows(
    pool: Pool, strategy: QueryStrategy, *, kept: NDArray[np.bool_], rows: int, sample: int, seed: int
) -> tuple[Choice, ChosenRows]:
    """Choose ``rows`` of the pool that are not ``kept`` (n,), and draw ``sample`` of those that are.

    Raises DataError where there are fewer rows than that, or values that are no numbers.
    """
    import numpy as np

    check_pool(kept, rows=rows, sample=sample)
    if not (np.isfinite(pool.probabilities).all() and np.isfinite(pool.embeddings).all()):
        raise DataError(
            "expected numbers for each row without a label, found NaN or infinity in the model's answers; register it again"
        )
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(kept))[:sample]
    rest = np.flatnonzero(~kept)
    left = Pool(pool.probabilities[rest], pool.embeddings[rest])
    chosen = rest[strategy.choose(left, rows, seed=seed)]
    doubt = 1 - pool.probabilities.max(axis=1)
    record = ChosenRows(
        strategy=strategy.name,
        seed=seed,
        pool=len(doubt),
        chosen=rows,
        sample=sample,
        expected_errors=float(doubt[chosen].mean()),
        expected_errors_by_chance=float(doubt[kept if kept.any() else slice(None)].mean()),
    )
    return Choice(chosen, drawn), record


def sheet_of(rows: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """What people fill in, from rows with ``id`` and ``input``: those, an empty ``label``, and ``split``, in the order of ids.

    Columns that are kept with rows follow. The model's own answers are left out: people who see a guess tend to confirm it.
    """
    import numpy as np

    taken = rows.iloc[np.concatenate([choice.chosen, choice.sample])]
    splits = [CHOSEN] * len(choice.chosen) + [SAMPLE] * len(choice.sample)
    filled = taken.assign(label="", split=splits).sort_values("id", ignore_index=True)
    return filled[["id", "input", "label", "split", *kept_columns(taken)]]
