"""Gates: what passes, what fails, what cannot be told, and how often they are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluation_worlds import report_of, table
from pydantic import ValidationError
from rootstock.errors import DataError
from rootstock.part import Gate, Sample, members, parse_part
from rootstock.records import GateResult

LEVEL = 0.05 / 52
GATES: dict[str, dict[str, object]] = {
    "floor": {"measure": "accuracy", "at_least": 0.6},
    "better_than_baselines": {"measure": "accuracy", "alpha": 0.05, "not_worse_than": ["probe"], "margin": 0.03},
    "against_champion": {"claim": "superiority", "measure": "accuracy", "margin": None},
    "positive_transfer": {"alpha": 0.05, "margin": 0.03},
    "worst_slice": {"columns": None, "baseline": "probe", "margin": 0.1, "alpha": 0.05, "min_rows": 30, "bins": 4},
    "fairness_gap": {"groups": {"region": None}, "rate": "error", "of": None, "at_most": 0.1, "alpha": 0.05},
}


def ask(gate: str, rows: pd.DataFrame, folder: Path, *, champion: bool = False, note: str = "", **changed: object) -> GateResult:
    part = parse_part(Gate, {"name": gate, **GATES[gate], **changed})
    return part.decide(report_of(rows, folder=folder, champion=champion, note=note), rows, level=LEVEL)


def rows_with(n: int, **right: float) -> pd.DataFrame:
    """Every model right on the first share of the rows, so that the better has all the other has."""
    place = np.arange(n)
    rows = table(place % 4, {name: place < round(share * n) for name, share in right.items()})
    return rows.assign(**{"slice:region": np.where(place % 2, "north", "south")})


def test_every_gate_here_is_found_by_name() -> None:
    assert set(GATES) <= set(members(Gate))


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.9, "pass"), (0.3, "fail"), (0.62, "inconclusive"), (0.58, "inconclusive")])
def test_the_floor_is_for_the_whole_interval(accuracy: float, verdict: str, tmp_path: Path) -> None:
    result = ask("floor", rows_with(200, model=accuracy), tmp_path)
    assert result.verdict == verdict
    assert ("more labelled rows to test on would settle it" in result.reason) == (verdict == "inconclusive")


def test_the_rows_that_the_floor_asks_for_do_settle_it(tmp_path: Path) -> None:
    reason = ask("floor", rows_with(200, model=0.65), tmp_path).reason
    more = int(reason.split("about ")[1].split(" more")[0].replace(",", ""))
    assert ask("floor", rows_with(200 + more + 20, model=0.65), tmp_path).verdict == "pass"


@pytest.mark.parametrize(("at_least", "verdict"), [(2.0, "pass"), (0.1, "fail")])
def test_for_a_loss_the_floor_is_a_ceiling(at_least: float, verdict: str, tmp_path: Path) -> None:
    result = ask("floor", rows_with(200, model=0.8), tmp_path, measure="log_loss", at_least=at_least)
    assert result.verdict == verdict
    assert result.required.startswith("log_loss at most")


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(ValidationError, match="accuracy"):
        parse_part(Gate, {"name": "floor", "measure": "charm", "at_least": 1})


def test_a_clearly_better_model_passes_every_baseline(tmp_path: Path) -> None:
    result = ask("better_than_baselines", rows_with(300, model=0.7, majority=0.3, words=0.5, probe=0.66), tmp_path)
    assert result.verdict == "pass"
    assert result.required == "better than majority, words (alpha 0.05); not worse than probe by 0.03"


def test_a_model_equal_to_the_probe_passes_with_enough_rows_and_one_equal_to_words_does_not(tmp_path: Path) -> None:
    assert ask("better_than_baselines", rows_with(300, model=0.6, words=0.3, probe=0.6), tmp_path).verdict == "pass"
    result = ask("better_than_baselines", rows_with(300, model=0.6, words=0.6, probe=0.6), tmp_path)
    assert result.verdict == "fail"
    assert "not better than words" in result.reason


def test_a_model_clearly_worse_than_one_baseline_fails(tmp_path: Path) -> None:
    assert ask("better_than_baselines", rows_with(300, model=0.5, words=0.3, probe=0.7), tmp_path).verdict == "fail"
    assert ask("better_than_baselines", rows_with(300, model=0.5, words=0.7, probe=0.5), tmp_path).verdict == "fail"


def test_a_small_lead_on_few_rows_is_inconclusive_and_says_how_many_would_do(tmp_path: Path) -> None:
    place = np.arange(40)
    rows = table(place % 4, {"model": place < 28, "words": (place >= 8) & (place < 32), "probe": place < 0})
    result = ask("better_than_baselines", rows, tmp_path)
    assert result.verdict == "inconclusive"
    assert "more labelled rows to test on would settle it" in result.reason


def test_no_transfer_is_no_baseline_to_beat_but_may_be_named_as_one_to_hold(tmp_path: Path) -> None:
    rows = rows_with(300, model=0.6, words=0.3, probe=0.6, no_transfer=0.9)
    result = ask("better_than_baselines", rows, tmp_path)
    assert result.verdict == "pass"
    assert "no_transfer" not in result.observed
    assert ask("better_than_baselines", rows, tmp_path, not_worse_than=["probe", "no_transfer"]).verdict == "fail"


def test_a_rung_that_is_not_in_the_ladder_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not_worse_than: unknown baseline 'prob'; known: probe, words; did you mean 'probe'"):
        ask("better_than_baselines", rows_with(50, model=0.6, words=0.3, probe=0.6), tmp_path, not_worse_than=["prob"])


@pytest.mark.parametrize("gate", sorted(GATES))
@pytest.mark.parametrize("right", [1 / 3, 1.0])
def test_three_test_rows_settle_nothing(gate: str, right: float, tmp_path: Path) -> None:
    rows = rows_with(3, model=right, majority=0.0, probe=right, champion=right, no_transfer=right)
    part = parse_part(Gate, {"name": gate, **GATES[gate]})
    result = part.decide(report_of(rows, folder=tmp_path, champion=True, source="films"), rows, level=LEVEL)
    assert result.verdict == "inconclusive"
    assert "more" in result.reason


@pytest.mark.parametrize("gate", sorted(GATES))
def test_the_order_of_the_rows_changes_nothing_and_the_rows_stay_unchanged(gate: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    shares = {"model": 0.7, "words": 0.4, "probe": 0.65, "champion": 0.68, "no_transfer": 0.66}
    masks = {name: rng.random(120) < share for name, share in shares.items()}
    rows = table(np.arange(120) % 4, masks).assign(**{"slice:region": np.where(np.arange(120) % 3, "north", "south")})
    before = rows.copy(deep=True)
    report = report_of(rows, folder=tmp_path, champion=True, source="films")
    part = parse_part(Gate, {"name": gate, **GATES[gate]})
    shuffled = rows.sample(frac=1, random_state=0)
    assert part.decide(report, rows, level=LEVEL) == part.decide(report, shuffled, level=LEVEL)
    pd.testing.assert_frame_equal(rows, before)


def test_a_model_no_better_than_one_of_three_baselines_passes_no_more_often_than_alpha(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    shares = {"model": 0.6, "majority": 0.2, "words": 0.6, "probe": 0.5}
    start = rows_with(150, **shares)
    report = report_of(start, folder=tmp_path)
    part = parse_part(Gate, {"name": "better_than_baselines", **GATES["better_than_baselines"]})
    passed = 0
    for _ in range(300):
        rows = table(np.arange(150) % 4, {name: rng.random(150) < share for name, share in shares.items()})
        passed += part.decide(report, rows, level=LEVEL).verdict == "pass"
    # 300 trials: 5% and two standard errors.
    assert passed / 300 <= 0.05 + 0.025


@pytest.mark.parametrize("gate", sorted(GATES))
def test_what_a_gate_can_tell_is_finer_with_more_rows(gate: str) -> None:
    part = parse_part(Gate, {"name": gate, **GATES[gate]})

    def sample(n: int) -> Sample:
        regions = {"region": {"north": n // 2, "south": n // 2}}
        return Sample(rows=n, class_rows={"a": n // 2, "b": n // 2}, slice_rows=regions, accuracy=0.8, discordance=0.1)

    few, many = (part.detectable(sample(n), level=LEVEL, wanted=0.02) for n in (400, 4000))
    assert few
    for before, after in zip(few, many, strict=True):
        assert after.smallest < before.smallest
        assert (before.gate, before.rows, before.wanted) == (gate, 400, 0.02)
        assert after.rows_needed is not None
        assert (after.rows_needed <= 4000) == (after.smallest <= 0.02)


@pytest.mark.parametrize("gate", ["against_champion", "better_than_baselines", "positive_transfer", "worst_slice", "fairness_gap"])
def test_rows_that_hang_together_count_for_fewer(gate: str, tmp_path: Path) -> None:
    place = np.arange(600)
    right = place % 10 > 0
    rows = table(place % 4, dict.fromkeys(("model", "probe", "no_transfer"), right))
    rival = right & (place >= 30) if gate == "against_champion" else right
    rows["predicted:champion"] = table(place % 4, {"champion": rival})["predicted:champion"]
    rows = rows.assign(**{"slice:region": np.where(place // 10 % 2, "north", "south")})
    part = parse_part(Gate, {"name": gate, **GATES[gate]})
    results = [
        part.decide(report_of(rows, folder=tmp_path, champion=True, source="films", inflation=factor), rows, level=LEVEL).verdict
        for factor in (1.0, 12.0)
    ]
    assert results == ["pass", "inconclusive"]


@pytest.mark.parametrize(
    ("gate", "right"),
    [
        ("better_than_baselines", {"model": 0.9, "majority": 0.7, "probe": 0.9}),
        ("against_champion", {"model": 0.9, "champion": 0.65}),
        ("positive_transfer", {"model": 0.9, "no_transfer": 0.7}),
        ("worst_slice", {"model": 0.9, "probe": 0.85}),
        ("fairness_gap", {"model": 0.9}),
    ],
)
def test_what_many_rows_show_a_few_groups_of_rows_alike_do_not(gate: str, right: dict[str, float], tmp_path: Path) -> None:
    """Of 600 rows each model has the first ones right, so in eight groups, one after the other, rows are alike."""
    rows = rows_with(600, **right)
    part = parse_part(Gate, {"name": gate, **GATES[gate]})

    def decide(rows: pd.DataFrame) -> GateResult:
        source = "films" if gate == "positive_transfer" else None
        report = report_of(rows, folder=tmp_path, champion="champion" in right, source=source)
        return part.decide(report, rows, level=LEVEL)

    alone = decide(rows)
    assert alone.verdict == "pass"
    assert decide(rows.assign(group=[f"g{n:03d}" for n in range(600)])) == alone
    assert decide(rows.assign(group=[f"g{n // 75}" for n in range(600)])).verdict == "inconclusive"
