"""What models answered on the test rows: read, checked, and laid side by side by row id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: How far a row of probabilities may be from summing to 1: float32 softmax stays well within.
SUM_TOLERANCE = 1e-3


def checked_probabilities(
    probabilities: NDArray[np.float64], *, ids: Sequence[str], classes: int, where: str
) -> NDArray[np.float64]:
    """Probabilities (n, c) as float64 whose rows sum to 1.

    Raises DataError naming the model and the first row where they are not finite, below 0, or do not sum to 1.
    """
    import numpy as np

    found = np.asarray(probabilities, dtype=np.float64)
    if found.shape != (len(ids), classes):
        raise DataError(f"{where}: expected probabilities of {len(ids)} rows and {classes} labels, found {found.shape}")
    totals = found.sum(axis=1)
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(found).all(axis=1) | (found < 0).any(axis=1) | ~(np.abs(totals - 1) <= SUM_TOLERANCE)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"{where}: expected finite probabilities that sum to 1, found {np.array2string(found[row], precision=4, threshold=8)} "
            f"for row {ids[row]} ({int(bad.sum())} of {len(ids)} rows are so); the model has diverged, lower its learning rate"
        )
    normalised: NDArray[np.float64] = found / totals[:, None]
    return normalised


def read_ladder(path: Path, rungs: Sequence[str], *, ids: Sequence[str], labels: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """rung -> (n, c) probabilities in the order of ``ids`` and ``labels``.

    Raises DataError for a missing file, column or row, or a row that stands twice.
    """
    import numpy as np
    import pandas as pd

    if not path.is_file():
        raise DataError(f"{path}: expected the baselines' predictions, found nothing; run the ladder stage again")
    frame = pd.read_parquet(path)
    columns = {rung: [f"{rung}:{label}" for label in labels] for rung in rungs}
    if missing := [name for name in ("id", *(name for names in columns.values() for name in names)) if name not in frame]:
        raise DataError(f"{path}: expected the column '{missing[0]}' ({len(missing)} are missing); run the ladder stage again")
    by_id = frame.set_index(frame["id"].astype("str"))
    if by_id.index.has_duplicates:
        raise DataError(f"{path}: expected each row once, found {by_id.index[by_id.index.duplicated()][0]} twice")
    if absent := sorted(set(ids) - set(by_id.index)):
        raise DataError(f"{path}: expected all {len(ids)} test rows, {len(absent)} are missing ({absent[0]}); make it again")
    ordered = by_id.loc[list(ids)]
    return {
        rung: checked_probabilities(
            ordered[names].to_numpy(dtype=np.float64), ids=ids, classes=len(labels), where=f"baseline {rung} in {path}"
        )
        for rung, names in columns.items()
    }


def answer_columns(name: str, probabilities: NDArray[np.float64], labels: Sequence[str]) -> pd.DataFrame:
    """``predicted:NAME`` and ``probability:NAME`` (of the predicted label) of n rows."""
    import numpy as np
    import pandas as pd

    best = probabilities.argmax(axis=1)
    predicted = pd.Series(np.array(labels, dtype=object)[best], dtype="str")
    return pd.DataFrame({f"predicted:{name}": predicted, f"probability:{name}": probabilities[np.arange(len(best)), best]})


def probability_lists(name: str, probabilities: NDArray[np.float64]) -> pd.DataFrame:
    """``probabilities:NAME``: the (c,) probabilities of each of n rows as a list of float32."""
    import numpy as np
    import pandas as pd

    return pd.DataFrame({f"probabilities:{name}": pd.Series(list(probabilities.astype(np.float32)), dtype="object")})
