"""The verdict over the panel, and the sentence that goes with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation_worlds import report_of, table
from rootstock.errors import DataError
from rootstock.evaluation.decide import decide
from rootstock.params import GatesParams

GATES = GatesParams.model_validate(
    {
        "panel": [
            {"name": "floor", "measure": "accuracy", "at_least": 0.3},
            {"name": "not_worse_than_champion", "margin": 0.02, "alpha": 0.05},
        ]
    }
)


def decided(tmp_path: Path, *, n: int, model: float, champion: float) -> tuple[str, str]:
    place = np.arange(n)
    rows = table(place % 4, {"model": place < model * n, "champion": place < champion * n})
    verdict = decide(report_of(rows, folder=tmp_path, champion=True), gates=GATES, folder=tmp_path)
    return verdict.verdict, verdict.reason


def test_all_gates_passed_is_a_pass(tmp_path: Path) -> None:
    verdict, reason = decided(tmp_path, n=400, model=0.7, champion=0.65)
    assert verdict == "pass"
    assert reason == "the model may go into production: it passed floor, not_worse_than_champion"


def test_a_model_that_passes_while_the_claim_about_its_source_is_refused_says_so(tmp_path: Path) -> None:
    place = np.arange(400)
    rows = table(place % 4, {"model": place < 280, "no_transfer": place < 280})
    panel = {"panel": [*GATES.model_dump()["panel"], {"name": "positive_transfer", "alpha": 0.05, "margin": 0.05}]}
    report = report_of(rows, folder=tmp_path, source="films")
    found = decide(report, gates=GatesParams.model_validate(panel), folder=tmp_path)
    assert found.verdict == "pass"
    assert found.reason.startswith(
        "the model may go into production: it passed floor, not_worse_than_champion, positive_transfer; "
        "but the claim that films helped is refused: +0.000"
    )


def test_one_failed_gate_is_a_fail_and_is_named(tmp_path: Path) -> None:
    verdict, reason = decided(tmp_path, n=400, model=0.5, champion=0.8)
    assert verdict == "fail"
    assert reason.startswith("the model may not go into production: it failed not_worse_than_champion (worse than the champion")


def test_a_failed_gate_outweighs_one_that_cannot_tell(tmp_path: Path) -> None:
    verdict, reason = decided(tmp_path, n=400, model=0.3, champion=0.8)
    assert verdict == "fail"
    assert "floor" not in reason


def test_a_gate_that_cannot_tell_makes_the_verdict_inconclusive(tmp_path: Path) -> None:
    verdict, reason = decided(tmp_path, n=40, model=0.7, champion=0.7)
    assert verdict == "inconclusive"
    assert "more labelled test rows would settle it" in reason


def test_changed_predictions_are_refused(tmp_path: Path) -> None:
    place = np.arange(50)
    report = report_of(table(place % 4, {"model": place < 40}), folder=tmp_path)
    (tmp_path / "predictions.parquet").write_bytes(b"other")
    with pytest.raises(DataError, match=r"predictions\.parquet was changed; run the evaluate stage again"):
        decide(report, gates=GATES, folder=tmp_path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    place = np.arange(50)
    report = report_of(table(place % 4, {"model": place < 40}), folder=tmp_path, champion=True)
    with pytest.raises(DataError, match="expected the column 'predicted:champion'"):
        decide(report, gates=GATES, folder=tmp_path)
