"""The verdict over the panel, and the sentence that goes with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation_worlds import report_of, table
from rootstock.errors import DataError
from rootstock.evaluation.decide import decide
from rootstock.evaluation.looks import Look, count_looks, looks_after
from rootstock.journal import append
from rootstock.params import GatesParams, RegistrationParams
from rootstock.records import Incumbent, Looks

GATES = GatesParams.model_validate(
    {
        "alpha": 0.05,
        "looks": 5,
        "panel": [
            {"name": "floor", "measure": "accuracy", "at_least": 0.3},
            {"name": "against_champion", "claim": "superiority", "measure": "accuracy", "margin": None},
        ],
    }
)
NOBODY = Incumbent(version=None, model=None, run_key=None, earlier=())
DOCS = RegistrationParams(model="docs", experiment="docs", approval="automatic", lease_seconds=60)
LOOKS = looks_after([Look(3, "2026-03-01T08:00:00.000+00:00", None)], GATES)


def decided(tmp_path: Path, *, n: int, model: float, champion: float, looks: Looks = LOOKS) -> tuple[str, str]:
    place = np.arange(n)
    rows = table(place % 4, {"model": place < model * n, "champion": place < champion * n})
    verdict = decide(report_of(rows, folder=tmp_path, champion=True), looks, gates=GATES, folder=tmp_path)
    return verdict.verdict, verdict.reason


def test_all_gates_passed_is_a_pass(tmp_path: Path) -> None:
    verdict, reason = decided(tmp_path, n=400, model=0.7, champion=0.65)
    assert verdict == "pass"
    assert reason == "the model may go into production: it passed floor, against_champion"


def test_a_model_that_passes_while_the_claim_about_its_source_is_refused_says_so(tmp_path: Path) -> None:
    place = np.arange(400)
    rows = table(place % 4, {"model": place < 280, "no_transfer": place < 280})
    panel = {
        "alpha": 0.05,
        "looks": 52,
        "panel": [*GATES.model_dump()["panel"], {"name": "positive_transfer", "alpha": 0.05, "margin": 0.05}],
    }
    report = report_of(rows, folder=tmp_path, source="films")
    found = decide(report, LOOKS, gates=GatesParams.model_validate(panel), folder=tmp_path)
    assert found.verdict == "pass"
    assert found.reason.startswith(
        "the model may go into production: it passed floor, against_champion, positive_transfer; "
        "but the claim that films helped is refused: +0.000"
    )


def test_one_failed_gate_is_a_fail_and_is_named(tmp_path: Path) -> None:
    verdict, reason = decided(tmp_path, n=400, model=0.5, champion=0.8)
    assert verdict == "fail"
    assert reason.startswith("the model may not go into production: it failed against_champion (worse than the champion")


def test_a_failed_gate_outweighs_one_that_cannot_tell(tmp_path: Path) -> None:
    verdict, reason = decided(tmp_path, n=400, model=0.3, champion=0.8)
    assert verdict == "fail"
    assert "floor" not in reason


def test_a_gate_that_cannot_tell_makes_the_verdict_inconclusive(tmp_path: Path) -> None:
    verdict, reason = decided(tmp_path, n=60, model=0.7, champion=0.65)
    assert verdict == "inconclusive"
    assert "more labelled rows to test on would settle it" in reason


def test_changed_predictions_are_refused(tmp_path: Path) -> None:
    place = np.arange(50)
    report = report_of(table(place % 4, {"model": place < 40}), folder=tmp_path)
    (tmp_path / "predictions.parquet").write_bytes(b"other")
    with pytest.raises(DataError, match=r"predictions\.parquet was changed; run the evaluate stage again"):
        decide(report, LOOKS, gates=GATES, folder=tmp_path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    place = np.arange(50)
    report = report_of(table(place % 4, {"model": place < 40}), folder=tmp_path, champion=True)
    with pytest.raises(DataError, match="expected the column 'predicted:champion'"):
        decide(report, LOOKS, gates=GATES, folder=tmp_path)


def test_a_pipeline_without_gates_passes_every_model_and_says_why(tmp_path: Path) -> None:
    place = np.arange(50)
    report = report_of(table(place % 4, {"model": place < 0}), folder=tmp_path)
    found = decide(report, LOOKS, gates=None, folder=tmp_path)
    assert (found.verdict, found.results, found.looks) == ("pass", (), None)
    assert "gates: none" in found.reason


def test_probabilities_that_are_no_numbers_are_refused_with_their_row(tmp_path: Path) -> None:
    place = np.arange(50)
    rows = table(place % 4, {"model": place < 40}).assign(**{"probability:model": np.where(place == 7, np.nan, 0.9)})
    with pytest.raises(DataError, match=r"expected finite numbers in 'probability:model', found others for row r00007 \(1 of 50"):
        decide(report_of(rows, folder=tmp_path), LOOKS, gates=GATES, folder=tmp_path)


def test_a_row_that_the_champion_was_not_asked_needs_no_probability(tmp_path: Path) -> None:
    place = np.arange(400)
    rows = table(place % 4, {"model": place < 280, "champion": place < 200})
    rows = rows.assign(**{"probability:champion": np.where(place < 390, 0.9, np.nan)})
    rows.loc[390:, "predicted:champion"] = None
    assert decide(report_of(rows, folder=tmp_path, champion=True), LOOKS, gates=GATES, folder=tmp_path).verdict == "pass"


def test_a_year_whose_looks_are_spent_keeps_the_champion_and_says_until_when(tmp_path: Path) -> None:
    days = [Look(number, f"2026-0{number}-10T08:00:00.000+00:00", None) for number in range(1, 6)]
    spent = looks_after(days, GATES)
    assert (spent.level, spent.spent, spent.frees) == (0.0, 5, "2027-01-10")
    verdict, reason = decided(tmp_path, n=400, model=0.9, champion=0.3, looks=spent)
    assert verdict == "inconclusive"
    assert reason.endswith("all 5 looks of a year are spent, the next one is free on 2027-01-10")


def test_levels_of_a_year_sum_to_alpha() -> None:
    levels = [looks_after([Look(i, "2026-05-01T00:00:00.000+00:00", None)] * i, GATES).level for i in range(9)]
    assert sum(levels) == pytest.approx(0.05)


def test_levels_of_a_year_sum_to_alpha_when_the_params_allow_more_looks_halfway() -> None:
    few, many = GATES.model_copy(update={"looks": 2}), GATES.model_copy(update={"looks": 10})
    judged: list[Look] = []
    for number in range(20):
        level = looks_after(judged, few if number < 1 else many).level
        judged.append(Look(number, f"2026-05-{number + 1:02d}T00:00:00.000+00:00", level))
    assert [look.level for look in judged] == pytest.approx([0.025] + [0.005] * 5 + [0.0] * 14)
    assert looks_after(judged, many).frees == "2027-05-01"


def test_a_run_is_one_look_however_often_it_is_judged_and_none_without_a_champion(tmp_path: Path) -> None:
    workspace = str(tmp_path / "space")
    for run, compared in (("a", "1"), ("a", "1"), ("b", None), ("c", "1"), ("me", "1")):
        append(workspace, "decision", {"model": "docs", "run_key": run, "compared_with": compared}, after=None)
    append(workspace, "promotion", {"version": "2"}, after=None)
    found = count_looks(NOBODY, gates=GATES, registration=DOCS, workspace=workspace, run_key="me")
    assert (found.spent, found.earlier, found.level) == (2, (2, 4), pytest.approx(0.01))


def test_a_run_of_another_model_in_the_workspace_is_no_look(tmp_path: Path) -> None:
    workspace = str(tmp_path / "space")
    for run, model in (("a", "docs"), ("b", "films")):
        append(workspace, "decision", {"model": model, "run_key": run, "compared_with": "1"}, after=None)
    assert count_looks(NOBODY, gates=GATES, registration=DOCS, workspace=workspace, run_key="me").earlier == (1,)
