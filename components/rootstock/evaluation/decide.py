"""The stage that says whether the model may take the champion's place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.errors import DataError
from rootstock.evaluation.positive_transfer import CLAIM_REFUSED
from rootstock.params import GatesParams
from rootstock.records import EvalReport, GateResult, GateVerdict, Verdict

if TYPE_CHECKING:
    import pandas as pd


def decide(report: EvalReport, *, gates: GatesParams, folder: Path) -> GateVerdict:
    """Ask every gate: pass if all do, fail if one does, inconclusive otherwise. Writes nothing into ``folder``.

    Promotion takes a pass; "inconclusive" keeps the champion too, and says what would settle it. As all gates have to pass, the
    chance of a wrong promotion is at most that of the gate whose condition is not met. A gate may pass the model and refuse a claim
    about it; the sentence then says so. Raises DataError if the predictions are
    gone, were changed, or lack a column.
    """
    rows = _rows(report)
    results = tuple(gate.decide(report, rows) for gate in gates.panel)
    verdicts = {result.verdict for result in results}
    verdict: Verdict = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
    return GateVerdict(verdict=verdict, results=results, reason=_sentence(verdict, results))


def _rows(report: EvalReport) -> pd.DataFrame:
    import pandas as pd

    if damage := report.predictions.damage():
        raise DataError(f"predictions: {damage}; run the evaluate stage again")
    rows = pd.read_parquet(report.predictions.path)
    models = ["model", *(scored.name for scored in report.baselines), *(["champion"] if report.champion else [])]
    if missing := [name for name in ("id", "label", *(f"predicted:{model}" for model in models)) if name not in rows]:
        raise DataError(f"{report.predictions.path}: expected the column '{missing[0]}', found none; run the evaluate stage again")
    return rows


def _sentence(verdict: Verdict, results: tuple[GateResult, ...]) -> str:
    deciding = [f"{result.gate} ({result.reason})" for result in results if result.verdict == verdict]
    match verdict:
        case "pass":
            refused = "".join(f"; but {result.reason}" for result in results if result.reason.startswith(CLAIM_REFUSED))
            return f"the model may go into production: it passed {', '.join(result.gate for result in results)}{refused}"
        case "fail":
            return f"the model may not go into production: it failed {'; '.join(deciding)}"
        case "inconclusive":
            return f"the evidence is not enough to put the model into production: {'; '.join(deciding)}"
