"""Is the artefact that ships the one that was tested?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.errors import DataError
from rootstock.evaluation.reloading import RELOADED
from rootstock.part import Gate
from rootstock.records import GateResult, Verdict

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.records import EvalReport

#: Fewer rows than this may miss what is wrong with an artefact.
FEWEST_ROWS = 30


class Parity(Gate):
    """The model folder, read by its own loader in a process of its own, answers the test rows as the tested model did.

    Pass when the label is the same on a share of rows of at least ``labels`` and no probability differs by more than ``tolerance``;
    fail otherwise, and where the model does not load: the same file gives the same answers up to rounding, so nothing here is
    sampled. Inconclusive with fewer than 30 rows, which may miss what is wrong, or where ``evaluation.reload`` asked for nothing.
    """

    name: Literal["parity"] = "parity"
    labels: Annotated[float, Field(gt=0, le=1)]
    tolerance: Annotated[float, Field(gt=0, lt=1)]

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        required = f"the same label on at least {self.labels:.1%} of the rows, probabilities within {self.tolerance:g}"
        if report.reloading is None:
            reason = "the shipped model was not asked; set evaluation.reload: true and evaluate again"
            return GateResult(gate=self.name, verdict="inconclusive", observed="not asked", required=required, reason=reason)
        if report.reloading.failure is not None:
            return GateResult(
                gate=self.name, verdict="fail", observed="no answer", required=required, reason=report.reloading.failure
            )
        # Out of fold the model was not measured itself, but how it was made: its own answers then stand under "shipped".
        tested = _answers(rows, "shipped" if report.rows == "out_of_fold" else "model", self.name)
        found = _answers(rows, RELOADED, self.name)
        verdict, observed, reason = self._judge(tested, found, report.labels, list(rows["id"]))
        return GateResult(gate=self.name, verdict=verdict, observed=observed, required=required, reason=reason)

    def _judge(
        self, tested: NDArray[np.float64], found: NDArray[np.float64], labels: tuple[str, ...], ids: list[str]
    ) -> tuple[Verdict, str, str]:
        import numpy as np

        equal = tested.argmax(axis=1) == found.argmax(axis=1)
        difference = np.abs(tested - found).max(axis=1)
        worst = int(np.argmax(difference))
        n = len(ids)
        share = f"the same label on {equal.mean():.2%} of {n} rows"
        observed = f"{share}, largest difference of a probability {difference[worst]:.2g}"
        other = "the shipped model is not the tested one"
        if equal.mean() < self.labels:
            first = int(np.argmin(equal))
            said, wanted = labels[found[first].argmax()], labels[tested[first].argmax()]
            changed = f"another label on {int((~equal).sum())} of {n} rows"
            return "fail", observed, f"{other}: {changed}, such as {said} instead of {wanted} for row {ids[first]}"
        if difference[worst] > self.tolerance:
            changed = f"the same labels, but other probabilities on {int((difference > self.tolerance).sum())} of {n} rows"
            return "fail", observed, f"{other}: {changed}, by up to {difference[worst]:.2g} for row {ids[worst]}"
        if n < FEWEST_ROWS:
            reason = f"{n} rows may miss what is wrong with the shipped model; about {FEWEST_ROWS - n} more would be a beginning"
            return "inconclusive", observed, reason
        return "pass", observed, f"the shipped model is the tested one: {observed}"


def _answers(rows: pd.DataFrame, name: str, gate: str) -> NDArray[np.float64]:
    import numpy as np

    column = f"probabilities:{name}"
    if column not in rows:
        raise DataError(f"gate {gate}: expected the column '{column}', found none; run the evaluate stage again")
    return np.vstack([np.asarray(row, dtype=np.float64) for row in rows[column]])
