"""The test rows as the models answered them, read from the evaluation's predictions file."""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.errors import DataError
from rootstock.groups import design_effect, group_numbers
from rootstock.pictures import thumbnail
from rootstock.records import EvalReport, RowsFile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MODEL, CHAMPION = "model", "champion"
PNG = b"\x89PNG\r\n\x1a\n"
#: A larger picture is shown smaller, so that the page stays small.
SHOWN_IMAGE_BYTES, SHOWN_PIXELS = 24_000, 200 * 150


@dataclass(frozen=True)
class Predictions:
    """n test rows with the answers of every model that was scored."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: Mapping[str, tuple[str | None, ...]]
    """model -> n labels; None where it was not asked (a champion of other labels)"""
    probability: Mapping[str, tuple[float, ...]]
    """model -> n probabilities of the label it predicted"""
    distributions: Mapping[str, tuple[tuple[float, ...] | None, ...]]
    """model -> n times the probabilities of all its labels; None where it was not asked. Of the new model and the champion only"""
    groups: NDArray[np.int64] | None = None
    """(n,) rows of one number hang together; None where each stands for itself"""

    def right(self, name: str) -> tuple[bool, ...]:
        """Which of the n rows a model has right; a row that it was not asked is not."""
        return tuple(a == b for a, b in zip(self.predicted[name], self.labels, strict=True))

    def asked(self, name: str) -> tuple[int, ...]:
        """Places of the rows that a model answered."""
        return tuple(index for index, answer in enumerate(self.predicted[name]) if answer is not None)


@dataclass(frozen=True)
class Bin:
    """Rows whose stated probability lies in (low, high]."""

    low: float
    high: float
    rows: int
    confidence: float
    """mean stated probability"""
    accuracy: float
    """share of rows right"""
    interval: tuple[float, float]
    """of the accuracy"""


@dataclass(frozen=True)
class Mistake:
    """A row that the model has wrong."""

    id: str
    label: str
    predicted: str
    probability: float
    text: str
    """the input, or words about it"""
    image: str | None
    """the input as a data URI, if it is a small picture"""


def read_predictions(report: EvalReport) -> Predictions | None:
    """The predictions file; None if it is gone (an old run that was cleaned up).

    Raises DataError if it stands there without the model's columns.
    """
    import pandas as pd

    path = Path(report.predictions.path)
    if not path.is_file():
        return None
    frame = pd.read_parquet(path)
    needed = ["id", "label", f"predicted:{MODEL}", f"probability:{MODEL}"]
    if missing := [name for name in needed if name not in frame.columns]:
        raise DataError(f"{path}: expected the columns {', '.join(needed)}, found no {missing[0]}; run the evaluation again")
    return Predictions(
        tuple(map(str, frame["id"])),
        tuple(map(str, frame["label"])),
        {name: _answers(frame[f"predicted:{name}"]) for name in _models(frame.columns, "predicted")},
        {name: tuple(map(float, frame[f"probability:{name}"])) for name in _models(frame.columns, "probability")},
        {name: _lists(frame[f"probabilities:{name}"]) for name in _models(frame.columns, "probabilities")},
        group_numbers(frame),
    )


def _answers(column: pd.Series[Any]) -> tuple[str | None, ...]:
    return tuple(str(answer) if there else None for answer, there in zip(column, column.notna(), strict=True))


def _lists(column: pd.Series[Any]) -> tuple[tuple[float, ...] | None, ...]:
    return tuple(tuple(map(float, given)) if there else None for given, there in zip(column, column.notna(), strict=True))


def _models(columns: Iterable[Any], kind: str) -> list[str]:
    return [str(name).partition(":")[2] for name in columns if str(name).startswith(f"{kind}:")]


def calibration(predictions: Predictions, *, bins: int, confidence: float, inflation: float) -> tuple[Bin, ...]:
    """Equal-width bins of the model's stated probability, the empty ones left out, with Wilson intervals.

    As for ``rows / inflation`` independent rows (see ``EvalReport.variance_inflation``), or fewer where rows have groups.
    """
    import numpy as np
    from statsmodels.stats.proportion import proportion_confint

    inflation *= design_effect(np.array(predictions.right(MODEL), dtype=float), predictions.groups)
    rows: dict[int, list[tuple[float, bool]]] = {}
    for stated, right in zip(predictions.probability[MODEL], predictions.right(MODEL), strict=True):
        if math.isfinite(stated):
            index = min(max(math.ceil(stated * bins - 1e-12) - 1, 0), bins - 1)
            rows.setdefault(index, []).append((stated, right))
    return tuple(
        Bin(
            index / bins,
            (index + 1) / bins,
            len(held),
            sum(stated for stated, _ in held) / len(held),
            sum(right for _, right in held) / len(held),
            proportion_confint(
                sum(right for _, right in held) / inflation, len(held) / inflation, alpha=1 - confidence, method="wilson"
            ),
        )
        for index, held in sorted(rows.items())
    )


def mistakes(predictions: Predictions, rows: RowsFile | None, *, most: int) -> tuple[Mistake, ...]:
    """Rows the model has wrong, the surest first."""
    stated, right = predictions.probability[MODEL], predictions.right(MODEL)
    wrong = [index for index, is_right in enumerate(right) if not is_right]
    worst = sorted(wrong, key=lambda index: (-stated[index], predictions.ids[index]))[:most]
    inputs = inputs_of(rows, {predictions.ids[index] for index in worst})
    return tuple(
        Mistake(
            predictions.ids[index],
            predictions.labels[index],
            str(predictions.predicted[MODEL][index]),
            stated[index],
            *shown(inputs.get(predictions.ids[index])),
        )
        for index in worst
    )


def inputs_of(rows: RowsFile | None, wanted: set[str]) -> dict[str, object]:
    """Row id -> input, of the wanted rows; empty where the file is no longer there."""
    import pandas as pd

    if rows is None or not Path(rows.path).is_file():
        return {}
    frame = pd.read_parquet(rows.path, columns=["id", "input"])
    return {str(key): given for key, given in zip(frame["id"], frame["input"], strict=True) if str(key) in wanted}


def shown(given: object) -> tuple[str, str | None]:
    """An input as text, or words about it, and as a data URI if it is a small picture."""
    if given is None:
        return "(the row's input is no longer stored)", None
    if not isinstance(given, bytes):
        return str(given), None
    if given.startswith(PNG) and len(given) <= SHOWN_IMAGE_BYTES:
        return "", f"data:image/png;base64,{base64.b64encode(given).decode()}"
    with contextlib.suppress(ValueError):
        return "", f"data:image/jpeg;base64,{base64.b64encode(thumbnail(given, most_pixels=SHOWN_PIXELS)).decode()}"
    return f"(a picture of {len(given):,} bytes)", None
