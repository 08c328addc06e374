"""The champion in production on the test rows, where that is a fair question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import Classifier, input_hash, training_hashes
from rootstock.evaluation.measures import Answers
from rootstock.evaluation.predictions import checked_probabilities
from rootstock.rows import label_indices

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.records import Dataset, Incumbent


@dataclass(frozen=True)
class ChampionAnswers:
    """The champion's answers on the rows it can fairly be asked; None where there is no such row."""

    fair: NDArray[np.bool_]
    """(n,) rows it is scored on"""
    answers: Answers | None
    """of the fair rows, over the champion's own labels"""
    labels: tuple[str, ...]
    note: str


def ask_champion(incumbent: Incumbent, target: Dataset, test: pd.DataFrame) -> ChampionAnswers | None:
    """Score the champion on the test rows; None if there is no champion.

    Left out are rows whose label it does not know (a comparison there is won before it begins) and rows it learned from (one
    there is lost). On the others it answers as in production: with all its labels, those no longer asked for too.
    """
    import numpy as np

    if incumbent.model is None:
        return None
    folder = Path(incumbent.model.path)
    champion = Classifier.load(folder)
    if champion.modality.name != target.modality:
        note = f"version {incumbent.version} reads {champion.modality.name} rows, these are {target.modality} rows"
        return ChampionAnswers(np.zeros(len(test), dtype=bool), None, champion.labels, note)
    known = test["label"].isin(champion.labels).to_numpy(dtype=bool)
    learned = training_hashes(folder)
    seen = np.array([input_hash(value) in learned for value in test["input"]], dtype=bool)
    fair = known & ~seen
    note = "; ".join([f"version {incumbent.version}", *_left_out(known, seen, champion.labels, target.labels)])
    if not fair.any():
        return ChampionAnswers(fair, None, champion.labels, note)
    asked = test[fair]
    probabilities = checked_probabilities(
        champion.predict(list(asked["input"])).probabilities,
        ids=list(asked["id"]),
        classes=len(champion.labels),
        where=f"champion version {incumbent.version}",
    )
    answers = Answers(label_indices(list(asked["label"]), champion.labels), probabilities)
    return ChampionAnswers(fair, answers, champion.labels, note)


def _left_out(known: NDArray[np.bool_], seen: NDArray[np.bool_], labels: tuple[str, ...], wanted: tuple[str, ...]) -> list[str]:
    said = []
    n = len(known)
    if set(labels) != set(wanted):
        shared = sorted(set(labels) & set(wanted))
        said.append(
            f"its labels differ from the task's: scored on the {int(known.sum())} of {n} rows "
            f"of the {len(shared)} labels that both know"
        )
    if (known & seen).any():
        said.append(f"{int((known & seen).sum())} of {n} rows left out because it learned from them")
    return said
