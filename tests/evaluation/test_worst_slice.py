"""The gate on slices: where a loss is found, where it is excluded, and where nothing can be told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluation_worlds import report_of, table
from rootstock.errors import DataError
from rootstock.evaluation.slices import cut, enough
from rootstock.evaluation.worst_slice import WorstSlice
from rootstock.part import Sample
from rootstock.records import GateResult

GATE = WorstSlice(columns=None, baseline="no_transfer", margin=0.05, alpha=0.05, min_rows=50, bins=4)


def judged(rows: pd.DataFrame, folder: Path, part: WorstSlice = GATE, *, champion: bool = True) -> GateResult:
    return part.decide(report_of(rows, folder=folder, champion=champion), rows, level=0.001)


def drawn(seed: int, n: int, *, slices: int = 10, lost: float = 0.0, discordance: float = 0.04) -> pd.DataFrame:
    """Two models equally good in each of the slices of ``region``; in the first the model loses a share of its rows right."""
    rng = np.random.default_rng(seed)
    region = np.arange(n) % slices
    both, luck, draw = rng.random(n) < 0.85, rng.random(n), rng.random(n)
    model = np.where(luck < discordance, draw < 0.5, both)
    champion = np.where(luck < discordance, draw >= 0.5, both)
    model &= ~((region == 0) & (rng.random(n) < lost / 0.85))
    rows = table(rng.integers(0, 4, n), {"model": model, "champion": champion})
    return rows.assign(**{"slice:region": [f"r{place}" for place in region]})


BY_REGION = GATE.model_copy(update={"columns": ("region",), "margin": 0.1})


def rows_needed(part: WorstSlice, *, discordance: float, slices: int = 10) -> int:
    sample = Sample(rows=1000, class_rows={}, slice_rows={"region": {f"r{i}": 1000 // slices for i in range(slices)}},
                    accuracy=0.85, discordance=discordance)  # fmt: skip
    needed = part.detectable(sample, level=0.001, wanted=None)[0].rows_needed
    assert needed is not None
    return needed


def test_at_the_rows_asked_for_a_loss_of_the_margin_in_one_slice_of_ten_is_refused_and_a_good_model_passes(tmp_path: Path) -> None:
    n = rows_needed(BY_REGION, discordance=0.04)
    report = report_of(drawn(0, 100), folder=tmp_path, champion=True)
    good, bad = (
        [BY_REGION.decide(report, drawn(seed, n, lost=lost), level=0.001).verdict for seed in range(80)] for lost in (0.0, 0.1)
    )
    assert good.count("pass") / 80 >= 0.7
    assert good.count("fail") / 80 <= 0.05 + 0.05
    assert bad.count("pass") / 80 <= 0.05 + 0.05


def test_a_large_loss_in_one_slice_fails_and_is_named_though_the_whole_is_better(tmp_path: Path) -> None:
    rows = drawn(1, 2000, lost=0.4)
    rows.loc[rows["slice:region"] != "r0", "predicted:model"] = rows["label"]
    result = judged(rows, tmp_path)
    assert (rows["predicted:model"] == rows["label"]).mean() > (rows["predicted:champion"] == rows["label"]).mean()
    assert result.verdict == "fail"
    assert "region r0" in result.reason
    assert "region r1" not in result.reason


def test_few_rows_are_inconclusive_and_say_how_many_of_which_slice_would_settle_it(tmp_path: Path) -> None:
    result = judged(drawn(2, 600), tmp_path)
    assert result.verdict == "inconclusive"
    assert "more labelled rows of region r" in result.reason


def test_slices_too_small_are_judged_together_or_named(tmp_path: Path) -> None:
    rows = drawn(3, 3000)
    rows.loc[:79, "slice:region"] = [f"s{i % 4}" for i in range(80)]
    assert "(4 small ones: s0, s1, s2, s3)" in str(
        [each.name for each in enough(cut(rows, ("region",), bins=4, where="here"), fewest=50)[0]]
    )
    rows.loc[20:79, "slice:region"] = "r1"
    result = judged(rows, tmp_path, BY_REGION)
    assert "too small to judge: region s0 (5), region s1 (5), region s2 (5) and 1 more" in result.reason


def test_a_test_set_of_three_rows_is_inconclusive(tmp_path: Path) -> None:
    result = judged(drawn(4, 3, slices=2), tmp_path)
    assert result.verdict == "inconclusive"
    assert "more" in result.reason


def test_identical_models_pass_with_enough_rows(tmp_path: Path) -> None:
    assert judged(drawn(5, 2000, discordance=0.0), tmp_path).verdict == "pass"


def test_without_a_champion_the_model_is_held_against_the_baseline(tmp_path: Path) -> None:
    rows = drawn(6, 3000).rename(columns={"predicted:champion": "predicted:no_transfer"})
    assert "of the no_transfer" in judged(rows, tmp_path, champion=False).required
    with pytest.raises(DataError, match="baseline: unknown baseline 'no_transfr'; known: no_transfer; did you mean 'no_transfer'"):
        judged(rows, tmp_path, GATE.model_copy(update={"baseline": "no_transfr"}), champion=False)


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    expected = "gate worst_slice: unknown column 'regoin'; known: label, region; did you mean 'region'"
    with pytest.raises(DataError, match=expected):
        judged(drawn(7, 500), tmp_path, GATE.model_copy(update={"columns": ("regoin",)}))


def test_numbers_are_cut_at_their_quantiles_and_names_are_not() -> None:
    rows = drawn(8, 400).assign(**{"slice:age": [str(i) for i in range(400)], "slice:site": ["a", "", None, "b"] * 100})
    slices = cut(rows, ("age", "site"), bins=4, where="here")
    assert [each.rows for each in slices] == [100, 100, 100, 100, 100, 100, 200]
    assert {each.name for each in slices} == {
        "age 0 to 99", "age 100 to 199", "age 200 to 299", "age 300 to 399", "site a", "site b", "site without",
    }  # fmt: skip


def test_ranges_of_long_numbers_stay_slices_of_their_own() -> None:
    days = [str(20240101 + i) for i in range(28)]
    rows = drawn(8, 28).assign(**{"slice:day": days, "slice:time": [str(1_700_000_000.5 + 60 * i) for i in range(28)]})
    slices = cut(rows, ("day", "time"), bins=4, where="here")
    assert [each.rows for each in slices] == [7] * 8
    assert slices[0].name == "day 20240101 to 20240107"


def test_a_class_that_looks_like_a_number_is_a_slice_of_its_own() -> None:
    rows = pd.DataFrame({"id": [str(i) for i in range(100)], "label": [str(i % 10) for i in range(100)]})
    assert [each.name for each in cut(rows, ("label",), bins=4, where="here")] == [f"label {digit}" for digit in range(10)]


def test_every_row_is_in_one_slice_of_each_column() -> None:
    rows = drawn(9, 333).assign(**{"slice:age": np.arange(333) % 37})
    for column in ("label", "region", "age"):
        assert sum(each.mask.astype(int) for each in cut(rows, (column,), bins=5, where="here")).tolist() == [1] * 333


def test_more_slices_ask_for_more_rows() -> None:
    few, many = (rows_needed(BY_REGION, discordance=0.1, slices=slices) for slices in (2, 20))
    assert many > 2 * few


def test_power_counts_numbers_in_the_slices_that_they_are_cut_into() -> None:
    sample = Sample(rows=1000, class_rows={}, slice_rows={"age": {str(i): 1 for i in range(1000)}}, accuracy=0.8, discordance=0.1)
    [found] = BY_REGION.model_copy(update={"columns": ("age",), "bins": 4}).detectable(sample, level=0.05, wanted=None)
    assert found.question.startswith("a loss in one of 4 slices")
