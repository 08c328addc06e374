"""The champion in production on the test rows, where that is a fair question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import Classifier, training_hashes
from rootstock.evaluation.class_changes import ClassChanges, class_changes, under_names_of_today
from rootstock.evaluation.measures import Answers
from rootstock.evaluation.predictions import checked_probabilities
from rootstock.rows import label_indices, were_learned

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.records import Dataset, Incumbent

#: A note names so many shared classes at most.
NAMED_CLASSES = 12


@dataclass(frozen=True)
class ChampionAnswers:
    """The champion's answers on the rows it can fairly be asked; None where there is no such row."""

    fair: NDArray[np.bool_]
    """(n,) rows it is scored on"""
    answers: Answers | None
    """of the fair rows, over ``changes.labels``"""
    changes: ClassChanges
    note: str


def ask_champion(
    incumbent: Incumbent, target: Dataset, test: pd.DataFrame, *, renamed: Mapping[str, str]
) -> ChampionAnswers | None:
    """Score the champion on the test rows; None if there is no champion.

    Left out are rows whose label it does not know, not even by an older name (``renamed``: old -> today's): a comparison there is
    won before it begins; and rows that it learned from, or from others of their group, where one is lost. On the others it answers
    as in production: with all its labels, those no longer asked for too.
    """
    import numpy as np

    if incumbent.model is None:
        return None
    folder = Path(incumbent.model.path)
    champion = Classifier.load(folder)
    changes = class_changes(champion.labels, target.labels, renamed)
    if champion.modality.name != target.modality:
        note = f"version {incumbent.version} reads {champion.modality.name} rows, these are {target.modality} rows"
        return ChampionAnswers(np.zeros(len(test), dtype=bool), None, changes, note)
    known = test["label"].isin(changes.labels).to_numpy(dtype=bool)
    learned = training_hashes(folder)
    seen = were_learned(test, learned)
    fair = known & ~seen
    note = "; ".join([f"version {incumbent.version}", *_left_out(known, seen, changes)])
    if not fair.any():
        return ChampionAnswers(fair, None, changes, note)
    asked = test[fair]
    probabilities = checked_probabilities(
        champion.predict(list(asked["input"])).probabilities,
        ids=list(asked["id"]),
        classes=len(champion.labels),
        where=f"champion version {incumbent.version}",
    )
    found = under_names_of_today(probabilities, champion.labels, changes)
    return ChampionAnswers(fair, Answers(label_indices(list(asked["label"]), changes.labels), found), changes, note)


def _left_out(known: NDArray[np.bool_], seen: NDArray[np.bool_], changes: ClassChanges) -> list[str]:
    said = []
    n = len(known)
    if what := changes.sentence():
        said.append(f"its classes are not the task's ({what})")
    if changes.added or changes.removed:
        named = f" ({', '.join(changes.shared)})" if 0 < len(changes.shared) <= NAMED_CLASSES else ""
        said.append(f"compared on the {int(known.sum())} of {n} rows of the {len(changes.shared)} classes that both know{named}")
    if (known & seen).any():
        said.append(f"{int((known & seen).sum())} of {n} rows left out because it learned from them")
    return said
