"""The claim that a source helped: when it stands, when it is refused, and when the model has to stay out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluation_worlds import report_of, table
from rootstock.errors import DataError
from rootstock.evaluation.positive_transfer import PositiveTransfer
from rootstock.records import GateResult
from scipy.stats import binomtest

GATE = PositiveTransfer(alpha=0.05, margin=0.05)


def rows_with(n: int, *, wins: int, losses: int, right: float = 0.6) -> pd.DataFrame:
    """n test rows of which the model alone has ``wins`` right, and no transfer alone ``losses``."""
    place = np.arange(n)
    both = place >= n - round(right * n) + losses
    return table(place % 4, {"model": (place < wins) | both, "no_transfer": ((place >= wins) & (place < wins + losses)) | both})


def judged(rows: pd.DataFrame, folder: Path, *, source: str | None = "films", gate: PositiveTransfer = GATE) -> GateResult:
    return gate.decide(report_of(rows, folder=folder, source=source), rows, level=1.0)


def test_a_source_that_helped_is_said_to_have_helped_with_gain_and_interval(tmp_path: Path) -> None:
    result = judged(rows_with(200, wins=30, losses=8), tmp_path)
    assert result.verdict == "pass"
    assert result.observed.startswith("+0.110 (+0.0")
    p = binomtest(30, 38, 0.5, alternative="greater").pvalue
    assert result.reason == f"learning from films helped: {result.observed}, p = {p:.2g}"


def test_a_source_that_made_it_worse_is_named_with_what_to_do(tmp_path: Path) -> None:
    result = judged(rows_with(200, wins=8, losses=30), tmp_path)
    assert result.verdict == "fail"
    assert result.reason.startswith("negative transfer: learning from films made it worse: -0.110")
    assert "train on the target alone" in result.reason


def test_a_small_loss_that_is_sure_is_negative_transfer_though_it_is_within_the_margin(tmp_path: Path) -> None:
    result = judged(rows_with(2000, wins=10, losses=40), tmp_path)
    assert "-0.015" in result.observed
    assert result.verdict == "fail"


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (6, 5), (5, 6)])
def test_a_model_as_good_as_without_its_source_passes_and_its_claim_is_refused(wins: int, losses: int, tmp_path: Path) -> None:
    result = judged(rows_with(300, wins=wins, losses=losses), tmp_path)
    assert result.verdict == "pass"
    assert result.reason.startswith("the claim that films helped is refused: ")
    assert "not worse than without it by 0.05" in result.reason
    assert "settle it" in result.reason


def test_neither_help_nor_harm_shown_is_inconclusive_and_says_how_many_rows_would_do(tmp_path: Path) -> None:
    result = judged(rows_with(60, wins=6, losses=6), tmp_path)
    assert result.verdict == "inconclusive"
    assert result.reason.startswith("the claim that films helped is refused: ")
    more = int(result.reason.split("about ")[1].split(" more")[0].replace(",", ""))
    n = 60 + more
    assert judged(rows_with(n, wins=n // 10, losses=n // 10), tmp_path).verdict == "pass"


def test_the_rows_that_the_claim_asks_for_do_settle_it(tmp_path: Path) -> None:
    result = judged(rows_with(300, wins=14, losses=8), tmp_path)
    assert result.verdict == "pass"
    more = int(result.reason.split("about ")[1].split(" more")[0].replace(",", ""))
    scale = (300 + more) / 300
    settled = judged(rows_with(300 + more, wins=round(14 * scale), losses=round(8 * scale)), tmp_path)
    assert settled.reason.startswith("learning from films helped")


def test_a_model_from_no_source_makes_no_claim(tmp_path: Path) -> None:
    result = judged(rows_with(50, wins=0, losses=20), tmp_path, source=None)
    assert (result.verdict, result.observed) == ("pass", "no source")
    assert result.reason.startswith("no claim made")


def test_a_ladder_without_the_rung_is_a_data_error(tmp_path: Path) -> None:
    rows = rows_with(50, wins=3, losses=2).drop(columns="predicted:no_transfer")
    with pytest.raises(DataError, match="expected the baseline no_transfer, found none; run the ladder stage again"):
        judged(rows, tmp_path)


@pytest.mark.parametrize("n", [12, 60, 400])
def test_a_worthless_source_is_said_to_help_or_harm_no_more_often_than_alpha(n: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(n)
    report = report_of(rows_with(n, wins=1, losses=1), folder=tmp_path, source="films")
    helped = harmed = 0
    for _ in range(300):
        rows = table(np.arange(n) % 4, {name: rng.random(n) < 0.6 for name in ("model", "no_transfer")})
        reason = GATE.decide(report, rows, level=1.0).reason
        helped += reason.startswith("learning from")
        harmed += reason.startswith("negative transfer")
    # 300 trials: 5% and two standard errors.
    assert max(helped, harmed) / 300 <= 0.05 + 0.025


def test_a_source_that_costs_the_margin_passes_about_as_often_as_alpha(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    report = report_of(rows_with(200, wins=1, losses=1), folder=tmp_path, source="films")
    shares = {"model": 0.65, "no_transfer": 0.70}
    passed = sum(
        GATE.decide(report, rows, level=1.0).verdict == "pass"
        for rows in (
            table(np.arange(200) % 4, {name: rng.random(200) < share for name, share in shares.items()}) for _ in range(300)
        )
    )
    assert passed / 300 <= 0.05 + 0.025
