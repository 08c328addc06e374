"""The gate on groups: whose error rates differ, and by how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluation_worlds import report_of, table
from pydantic import ValidationError
from rootstock.errors import DataError
from rootstock.evaluation.fairness_gap import FairnessGap
from rootstock.part import Sample
from rootstock.records import GateResult


def gate(**changed: Any) -> FairnessGap:
    given = {"groups": {"region": None}, "rate": "error", "of": None, "at_most": 0.03, "alpha": 0.05}
    return FairnessGap.model_validate(given | changed)


def judged(rows: pd.DataFrame, folder: Path, part: FairnessGap | None = None) -> GateResult:
    return (part or gate()).decide(report_of(rows, folder=folder), rows, level=0.001)


def drawn(seed: int, n: int, **wrong: float) -> pd.DataFrame:
    """Groups of one size, each wrong on a share of its rows."""
    rng = np.random.default_rng(seed)
    names = np.array(list(wrong))[np.arange(n) % len(wrong)]
    right = rng.random(n) >= np.array([wrong[name] for name in names])
    return table(rng.integers(0, 3, n), {"model": right}).assign(**{"slice:region": names})


@pytest.mark.parametrize(("south", "verdict"), [(0.1, "pass"), (0.125, "inconclusive"), (0.25, "fail")])
def test_a_gap_is_below_or_above_or_cannot_be_told(south: float, verdict: str, tmp_path: Path) -> None:
    place = np.arange(6000)
    right = np.where(place % 2, place // 2 % 40 >= 4, place // 2 % 40 >= 40 * south)
    rows = table(place % 3, {"model": right}).assign(**{"slice:region": np.where(place % 2, "north", "south")})
    result = judged(rows, tmp_path)
    assert result.verdict == verdict
    assert ("more labelled rows to test on would settle it" in result.reason) == (verdict == "inconclusive")


def test_the_worst_two_of_many_groups_decide(tmp_path: Path) -> None:
    result = judged(drawn(0, 9000, east=0.1, north=0.1, south=0.1, west=0.3), tmp_path)
    assert result.verdict == "fail"
    assert "of region west over" in result.reason


def test_a_group_with_one_member_is_named_and_nothing_passes(tmp_path: Path) -> None:
    rows = drawn(1, 9000, north=0.1, south=0.1)
    rows.loc[0, "slice:region"] = "island"
    result = judged(rows, tmp_path)
    assert result.verdict == "inconclusive"
    assert "island (1)" in result.reason
    assert judged(rows, tmp_path, gate(groups={"region": ["north", "south"]})).verdict == "pass"


def test_one_group_alone_is_inconclusive(tmp_path: Path) -> None:
    result = judged(drawn(2, 500, north=0.1), tmp_path)
    assert result.verdict == "inconclusive"
    assert "north" in result.reason


def test_rates_of_a_class_count_the_rows_that_can_be_wrong_in_that_way() -> None:
    rows = pd.DataFrame({"id": [f"r{i}" for i in range(8)], "label": list("aabbaabb"), "predicted:model": list("aaabbabb"),
                         "slice:region": ["n"] * 4 + ["s"] * 4})  # fmt: skip
    positive = gate(rate="false_positive", of="a")._groups(rows, "region")
    negative = gate(rate="false_negative", of="a")._groups(rows, "region")
    assert [(group.name, group.wrong, group.rows) for group in positive] == [("n", 1, 2), ("s", 0, 2)]
    assert [(group.name, group.wrong, group.rows) for group in negative] == [("n", 0, 2), ("s", 1, 2)]


def test_unknown_columns_groups_and_classes_are_named_with_the_known(tmp_path: Path) -> None:
    rows = drawn(3, 100, north=0.1, south=0.1)
    for changed, said in (
        ({"groups": {"regoin": None}}, "unknown column 'regoin'; known: label, region; did you mean 'region'"),
        ({"groups": {"region": ["north", "soth"]}}, "unknown value of region 'soth'; known: north, south; did you mean 'south'"),
        ({"rate": "false_negative", "of": "z"}, "unknown label 'z'; known: a, b"),
    ):
        with pytest.raises(DataError, match=said):
            judged(rows, tmp_path, gate(**changed))


@pytest.mark.parametrize(
    "changed", [{"of": "a"}, {"rate": "false_positive"}, {"groups": {"region": ["north"]}}, {"groups": {}}, {"at_most": 0}]
)
def test_settings_that_do_not_go_together_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        gate(**changed)


def needed(part: FairnessGap, *, groups: int = 2) -> int:
    sample = Sample(rows=1000, class_rows={"a": 300}, slice_rows={"region": {f"g{i}": 1000 // groups for i in range(groups)}},
                    accuracy=0.9, discordance=0.1)  # fmt: skip
    found = part.detectable(sample, level=0.001, wanted=None)[0].rows_needed
    assert found is not None
    return found


@pytest.mark.parametrize("groups", [2, 4])
def test_at_the_rows_asked_for_a_gap_is_refused_and_equal_groups_pass(groups: int, tmp_path: Path) -> None:
    part = gate(at_most=0.08)
    n = needed(part, groups=groups)
    report = report_of(drawn(0, 100, g0=0.1, g1=0.1), folder=tmp_path)
    equal = {f"g{i}": 0.1 for i in range(groups)}
    good, bad = (
        [part.decide(report, drawn(seed, n, **shares), level=0.001).verdict for seed in range(60)]
        for shares in (equal, equal | {"g0": 0.18})
    )
    assert good.count("pass") >= 43
    assert good.count("fail") <= 7
    assert bad.count("pass") <= 7


def test_a_rate_of_one_class_asks_for_more_rows_than_that_of_all() -> None:
    assert needed(gate(rate="false_negative", of="a")) > needed(gate())


# ---- several columns -----------------------------------------------------------------------------------------------------

BOTH = {"region": None, "language": None}


def two_columns(seed: int, n: int, **wrong: float) -> pd.DataFrame:
    """Regions of one size, wrong as ``wrong`` says; languages have nothing to do with them."""
    rng = np.random.default_rng(1000 + seed)
    return drawn(seed, n, **wrong).assign(**{"slice:language": rng.choice(["de", "en", "fr"], n)})


def test_the_worst_gap_of_all_columns_decides_and_its_column_is_named(tmp_path: Path) -> None:
    rows = two_columns(0, 9000, north=0.1, south=0.3)
    result = judged(rows, tmp_path, gate(groups=BOTH))
    assert result.verdict == "fail"
    assert result.observed.endswith("of region south over north")
    assert "between groups of region, language" in result.required
    assert judged(rows, tmp_path, gate(groups={"language": None}, at_most=0.06)).verdict == "pass"


def test_a_pass_takes_every_column(tmp_path: Path) -> None:
    rows = two_columns(1, 9000, north=0.1, south=0.1)
    assert judged(rows, tmp_path, gate(groups=BOTH, at_most=0.06)).verdict == "pass"
    few = rows.assign(**{"slice:language": np.where(np.arange(len(rows)) < 10, "de", "en")})
    result = judged(few, tmp_path, gate(groups=BOTH, at_most=0.06))
    assert result.verdict == "inconclusive"
    assert "language de" in result.reason


def test_a_column_that_cannot_be_judged_keeps_another_from_passing_but_not_from_failing(tmp_path: Path) -> None:
    for south, verdict in ((0.1, "inconclusive"), (0.3, "fail")):
        rows = two_columns(2, 9000, north=0.1, south=south).assign(**{"slice:language": "en"})
        result = judged(rows, tmp_path, gate(groups=BOTH, at_most=0.06))
        assert result.verdict == verdict
        assert ("all tested rows are of language en" in result.reason) == (verdict == "inconclusive")


def fewest_wrong_that_fail(folder: Path, columns: list[str]) -> int:
    """Of 1000 rows of the south, none of the north is wrong; other columns have nothing to do with errors."""
    place = np.arange(2000)
    noise = {f"slice:{name}": np.random.default_rng(i).choice(["x", "y"], len(place)) for i, name in enumerate(columns)}
    for wrong in range(30, 200):
        right = (place % 2 == 1) | (place >= 2 * wrong)
        rows = table(place % 3, {"model": right}).assign(**noise).assign(**{"slice:region": np.where(place % 2, "north", "south")})
        if judged(rows, folder, gate(groups=dict.fromkeys(["region", *columns]))).verdict == "fail":
            return wrong
    raise AssertionError("nothing failed")


def test_more_columns_ask_for_more_evidence_to_fail(tmp_path: Path) -> None:
    assert fewest_wrong_that_fail(tmp_path, []) < fewest_wrong_that_fail(tmp_path, [f"c{i}" for i in range(10)])


def test_a_model_that_is_fair_in_every_column_rarely_fails(tmp_path: Path) -> None:
    part = gate(groups=BOTH, at_most=0.005)
    report = report_of(two_columns(0, 100, north=0.1, south=0.1), folder=tmp_path)
    verdicts = [part.decide(report, two_columns(seed, 400, north=0.1, south=0.1), level=0.001).verdict for seed in range(200)]
    assert verdicts.count("fail") <= 18


def test_every_column_has_to_be_kept_but_the_length() -> None:
    assert gate(groups={"region": None, "length": None, "language": ["de", "fr"]}).kept_columns() == ("region", "language")


def test_a_second_column_asks_for_more_rows() -> None:
    sample = Sample(rows=1000, class_rows={}, slice_rows={"region": {"n": 500, "s": 500}, "language": {"de": 900, "fr": 100}},
                    accuracy=0.9, discordance=0.1)  # fmt: skip
    one, both, unknown = (
        gate(groups=groups).detectable(sample, level=0.001, wanted=None)
        for groups in ({"region": None}, BOTH, {"region": None, "shop": None})
    )
    assert one[0].rows_needed < both[0].rows_needed
    assert "2 groups of region and 2 groups of language" in both[0].question
    assert unknown == one
