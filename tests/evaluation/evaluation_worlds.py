"""Simulated models and test rows for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rootstock.evaluation.measures import Answers, measure_models
from rootstock.files import sha256_of
from rootstock.records import Artifact, EvalReport, Scored


def world(rng: np.random.Generator, rows: int, classes: int = 4, *, skill: float = 2.0, sharpness: float = 1.7) -> Answers:
    """Answers of a softmax model; sharpness equal to skill is perfect calibration."""
    truth = rng.integers(0, classes, rows)
    scores = rng.normal(size=(rows, classes))
    scores[np.arange(rows), truth] += skill
    odds = np.exp(sharpness * scores)
    return Answers(truth, odds / odds.sum(axis=1, keepdims=True))


def table(truth: NDArray[np.int64], right: Mapping[str, NDArray[np.bool_]]) -> pd.DataFrame:
    """Test rows with labels a, b, ... and each model right where the mask says so."""
    names = np.array(list("abcdefgh"))
    frame = pd.DataFrame({"id": [f"r{i:05d}" for i in range(len(truth))], "label": names[truth]})
    for name, mask in right.items():
        frame[f"predicted:{name}"] = np.where(mask, names[truth], names[truth + 1])
    return frame


def with_probabilities(rows: pd.DataFrame, stated: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    """The rows with ``probabilities:NAME`` of eight labels, where model NAME gives (n,) ``stated`` to the label it predicts."""
    labels = list("abcdefgh")
    found = rows.copy()
    for name, most in stated.items():
        said = np.eye(8)[[labels.index(label) for label in rows[f"predicted:{name}"]]]
        found[f"probabilities:{name}"] = list(said * most[:, None] + (1 - said) * ((1 - most) / 7)[:, None])
    return found


def report_of(
    rows: pd.DataFrame,
    *,
    folder: Path,
    champion: bool = False,
    note: str = "",
    source: str | None = None,
    inflation: float = 1.0,
) -> EvalReport:
    """The report on a table of predictions, with the table saved beside it."""
    labels = tuple("abcdefgh")
    truth = np.array([labels.index(label) for label in rows["label"]])
    names = [column.partition(":")[2] for column in rows.columns if column.startswith("predicted:")]

    def answers(name: str) -> Answers:
        said = [labels.index(label) if isinstance(label, str) else 7 for label in rows[f"predicted:{name}"]]
        return Answers(truth, 0.9 * np.eye(8)[said] + 0.0125)

    measures = measure_models({n: answers(n) for n in names}, confidence=0.95, draws=200, bins=10, seed=0)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "predictions.parquet"
    rows.to_parquet(path)
    return EvalReport(
        dataset="bugs",
        revision="bugs/v1",
        labels=labels,
        source=source,
        measures=measures["model"],
        per_class={},
        baselines=tuple(Scored(name=n, measures=measures[n], note="") for n in names if n not in ("model", "champion")),
        champion=Scored(name="champion", measures=measures.get("champion", {}), note=note) if champion else None,
        confusion=(),
        champion_labels=labels if champion else (),
        variance_inflation=inflation,
        predictions=Artifact(path=path.as_posix(), sha256=sha256_of(path)),
        seconds=0.0,
    )
