"""The model's answers to the test rows as they might have come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rootstock.evaluation.predictions import answer_columns, checked_probabilities
from rootstock.files import sha256_of_json
from rootstock.on_demand import OnDemand
from rootstock.part import Perturbation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.classifier import Classifier

#: Between a model's name and that of the perturbation it was asked under.
UNDER = "~"


def perturbed_columns(
    model: Classifier, test: pd.DataFrame, *, labels: Sequence[str], perturbations: Sequence[Perturbation], seed: int
) -> list[pd.DataFrame]:
    """``predicted:``, ``probability:`` and ``changed:model~NAME`` for n rows under each perturbation; nothing for none.

    Changed is an input that is not what it was; an image is written anew, and always counts as such. A row's change depends on the
    seed, the perturbation and the row's id, not on the rows beside it. Raises DataError for probabilities that are none.
    """
    import numpy as np

    place = [model.labels.index(label) for label in labels]
    ids, given = list(test["id"]), list(test["input"])
    found = []
    for each in perturbations:
        changed = np.zeros(len(ids), dtype=bool)

        def perturbed(row: int, each: Perturbation = each, changed: NDArray[np.bool_] = changed) -> Any:
            # One row at a time: what a generator draws for a row hangs on its place, and a place on the rows beside it.
            (value,) = each.perturb([given[row]], seed=int(sha256_of_json([seed, each.name, ids[row]])[:8], 16))
            changed[row] = value != given[row]
            return value

        asked = OnDemand(perturbed, len(ids)) if each.reads == "image" else [perturbed(row) for row in range(len(ids))]
        probabilities = checked_probabilities(
            model.predict(asked).probabilities, ids=ids, classes=len(model.labels), where=f"model under {each.name}"
        )
        name = f"model{UNDER}{each.name}"
        found.append(answer_columns(name, probabilities[:, place], labels).assign(**{f"changed:{name}": changed}))
    return found
