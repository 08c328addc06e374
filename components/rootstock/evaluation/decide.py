"""The stage that says whether the model may take the champion's place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.errors import DataError
from rootstock.evaluation.positive_transfer import CLAIM_REFUSED
from rootstock.params import GatesParams
from rootstock.records import EvalReport, GateResult, GateVerdict, Looks, Verdict

if TYPE_CHECKING:
    import pandas as pd


def decide(report: EvalReport, looks: Looks, *, gates: GatesParams | None, folder: Path) -> GateVerdict:
    """Ask every gate: pass if all do, fail if one does, inconclusive otherwise. Writes nothing into ``folder``.

    With ``gates: none`` every model passes, and the reason says why. Promotion takes a pass; "inconclusive" keeps the champion
    too, and says what would settle it. As all gates have to pass, the chance of a wrong promotion is at most that of the gate whose
    condition is not met; for a candidate that is no better than the champion that is ``looks.level``. A gate may pass the model and
    refuse a claim about it; the sentence then says so. Raises DataError if the predictions are gone, changed, or lack a column.
    """
    if gates is None:
        return GateVerdict(verdict="pass", results=(), reason="the params ask for no gates (gates: none)", looks=None)
    rows = _rows(report)
    results = tuple(gate.decide(report, rows, level=looks.level) for gate in gates.panel)
    verdicts = {result.verdict for result in results}
    verdict: Verdict = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
    reason = _sentence(verdict, results)
    if looks.frees is not None and report.champion is not None:
        reason = f"{reason}; all {looks.looks} looks of a year are spent, the next one is free on {looks.frees}"
    return GateVerdict(verdict=verdict, results=results, reason=reason, looks=looks)


def _rows(report: EvalReport) -> pd.DataFrame:
    import pandas as pd

    if damage := report.predictions.damage():
        raise DataError(f"predictions: {damage}; run the evaluate stage again")
    rows = pd.read_parquet(report.predictions.path)
    models = ["model", *(scored.name for scored in report.baselines), *(["champion"] if report.champion else [])]
    if missing := [name for name in ("id", "label", *(f"predicted:{model}" for model in models)) if name not in rows]:
        raise DataError(f"{report.predictions.path}: expected the column '{missing[0]}', found none; run the evaluate stage again")
    for model in models:
        _check_numbers(rows, model, report.predictions.path)
    return rows


def _check_numbers(rows: pd.DataFrame, model: str, path: str) -> None:
    """Raise DataError for an answer whose probability is no number; where there is no answer there is none to check."""
    import numpy as np

    answered = rows[rows[f"predicted:{model}"].notna()]
    for name in (f"probability:{model}", f"probabilities:{model}"):
        if name not in answered or answered.empty:
            continue
        found = np.array(answered[name].tolist(), dtype=np.float64).reshape(len(answered), -1)
        bad = ~np.isfinite(found).all(axis=1)
        if bad.any():
            raise DataError(
                f"{path}: expected finite numbers in '{name}', found others for row {answered['id'].iloc[int(np.argmax(bad))]} "
                f"({int(bad.sum())} of {len(rows)} are so); the model has diverged, lower its learning rate"
            )


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
