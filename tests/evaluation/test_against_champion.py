"""The gate against the champion: what it claims, with which test, and how often it is wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluation_worlds import report_of, table, with_probabilities
from pydantic import ValidationError
from rootstock.evaluation.against_champion import AgainstChampion
from rootstock.evaluation.paired_measures import bootstrap_limits, draws_for, paired_statistics, swap_test
from rootstock.power import fewest_rows, power_to_show_better
from rootstock.records import GateResult
from scipy.stats import bootstrap, permutation_test
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar

LEVEL = 0.05 / 52
LABELS = tuple("abcdefgh")


def gate(claim: str = "superiority", measure: str = "accuracy", margin: float | None = None) -> AgainstChampion:
    return AgainstChampion.model_validate({"claim": claim, "measure": measure, "margin": margin})


def judged(rows: pd.DataFrame, folder: Path, part: AgainstChampion, *, level: float = LEVEL, note: str = "") -> GateResult:
    return part.decide(report_of(rows, folder=folder, champion=True, note=note), rows, level=level)


def pair_rows(n: int, *, wins: int, losses: int, right: float = 0.7) -> pd.DataFrame:
    """n rows of which the model alone has ``wins`` right, the champion alone ``losses``."""
    place = np.arange(n)
    both = place >= n - round(right * n) + losses
    return table(place % 4, {"model": (place < wins) | both, "champion": ((place >= wins) & (place < wins + losses)) | both})


def drawn_rows(seed: int, n: int, *, model: float, champion: float) -> pd.DataFrame:
    """Two models with probabilities, right and sure at random."""
    rng = np.random.default_rng(seed)
    rows = table(rng.integers(0, 4, n), {"model": rng.random(n) < model, "champion": rng.random(n) < champion})
    return with_probabilities(rows, {name: rng.uniform(0.5, 0.95, n) for name in ("model", "champion")})


def test_without_a_champion_there_is_nothing_to_be_better_than(tmp_path: Path) -> None:
    rows = pair_rows(3, wins=0, losses=0).drop(columns="predicted:champion")
    assert gate().decide(report_of(rows, folder=tmp_path), rows, level=LEVEL).verdict == "pass"


@pytest.mark.parametrize(
    ("wins", "losses", "verdict"), [(40, 8, "pass"), (40, 30, "inconclusive"), (20, 20, "inconclusive"), (8, 40, "fail")]
)
def test_superiority_is_mcnemars_test_at_the_looks_own_level(wins: int, losses: int, verdict: str, tmp_path: Path) -> None:
    result = judged(pair_rows(500, wins=wins, losses=losses), tmp_path, gate())
    assert result.verdict == verdict
    two_sided = mcnemar([[300, wins], [losses, 100]], exact=True).pvalue
    assert (two_sided / 2 <= LEVEL) == (verdict in ("pass", "fail"))


def test_what_is_shown_at_one_level_is_not_at_a_stricter_one(tmp_path: Path) -> None:
    rows = pair_rows(500, wins=30, losses=12)
    assert [judged(rows, tmp_path, gate(), level=level).verdict for level in (0.05, 0.001)] == ["pass", "inconclusive"]


def test_identical_models_keep_the_champion(tmp_path: Path) -> None:
    for measure in ("accuracy", "macro_f1"):
        result = judged(pair_rows(5000, wins=0, losses=0), tmp_path, gate(measure=measure))
        assert result.verdict == "inconclusive"
        assert "the champion stays" in result.reason


def test_a_spent_year_is_inconclusive_whatever_the_gain(tmp_path: Path) -> None:
    result = judged(pair_rows(500, wins=200, losses=0, right=0.5), tmp_path, gate(), level=0.0)
    assert result.verdict == "inconclusive"
    assert "gates.looks" in result.reason


def test_the_rows_that_superiority_asks_for_show_it_in_four_of_five(tmp_path: Path) -> None:
    reason = judged(pair_rows(400, wins=30, losses=18), tmp_path, gate()).reason
    n = 400 + int(reason.split("about ")[1].split(" more")[0].replace(",", ""))
    assert power_to_show_better(n, 12 / 400, discordance=48 / 400, level=LEVEL) == pytest.approx(0.8, abs=0.03)


def test_no_rows_are_asked_for_where_there_is_no_lead(tmp_path: Path) -> None:
    assert "no number of rows" in judged(pair_rows(400, wins=18, losses=30), tmp_path, gate()).reason


@pytest.mark.parametrize(("wins", "losses", "verdict"), [(20, 20, "pass"), (20, 30, "inconclusive"), (5, 60, "fail")])
def test_non_inferiority_is_held_to_its_margin(wins: int, losses: int, verdict: str, tmp_path: Path) -> None:
    part = gate("non_inferiority", margin=0.05)
    assert judged(pair_rows(600, wins=wins, losses=losses), tmp_path, part).verdict == verdict


def test_rows_the_champion_was_not_asked_do_not_count(tmp_path: Path) -> None:
    rows = pair_rows(400, wins=0, losses=60)
    rows.loc[:99, "predicted:champion"] = None
    result = judged(rows, tmp_path, gate("non_inferiority", margin=0.1))
    assert result.verdict == "pass"
    assert "300 rows" in result.observed


def test_a_champion_that_cannot_be_compared_names_the_way_to_start_anew(tmp_path: Path) -> None:
    rows = pair_rows(50, wins=10, losses=0)
    rows["predicted:champion"] = pd.Series([None] * 50, dtype="str")
    result = judged(rows, tmp_path, gate(), note="version 3: no label in common")
    assert result.verdict == "inconclusive"
    assert "no label in common" in result.reason
    assert "--rebaseline" in result.reason


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(ValidationError, match="margin"):
        gate("non_inferiority", margin=margin)


def statistics(rows: pd.DataFrame, measure: Any) -> Any:
    return paired_statistics(measure, rows, labels=LABELS, champion_labels=LABELS, inflation=1.0)


def test_the_advantage_in_macro_f1_is_that_of_scikit_learn() -> None:
    rows = drawn_rows(1, 200, model=0.8, champion=0.6)
    expected = [f1_score(rows["label"], rows[f"predicted:{name}"], average="macro") for name in ("model", "champion")]
    assert statistics(rows, "macro_f1").advantage == pytest.approx(expected[0] - expected[1])


def test_the_swap_test_of_the_log_loss_is_scipys_permutation_test() -> None:
    rows = drawn_rows(2, 80, model=0.75, champion=0.68)
    pair = statistics(rows, "log_loss")
    losses = pair.first.columns[:, 0], pair.second.columns[:, 0]
    found = permutation_test(
        losses, lambda a, b, axis: np.mean(b - a, axis=axis), permutation_type="samples", vectorized=True, n_resamples=40_000,
        alternative="greater", rng=np.random.default_rng(0),
    )  # fmt: skip
    p_value, spread = swap_test(pair, level=0.002)
    assert p_value == pytest.approx(found.pvalue, abs=0.01)
    assert spread == pytest.approx(np.std(found.null_distribution), rel=0.03)


def test_the_bootstrap_limits_are_those_of_scipy() -> None:
    pair = statistics(drawn_rows(3, 300, model=0.75, champion=0.7), "log_loss")
    difference = pair.second.columns[:, 0] - pair.first.columns[:, 0]
    expected = bootstrap((difference,), np.mean, confidence_level=0.9, n_resamples=20_000, rng=np.random.default_rng(1))
    assert bootstrap_limits(pair, level=0.05) == pytest.approx(tuple(expected.confidence_interval), rel=0.06, abs=0.01)


def test_draws_are_many_enough_for_a_year_of_looks() -> None:
    assert 1 / (1 + draws_for(LEVEL)) < LEVEL / 20


@pytest.mark.parametrize("measure", ["macro_f1", "log_loss"])
def test_other_measures_decide_three_ways(measure: str, tmp_path: Path) -> None:
    found = [
        judged(drawn_rows(4, 300, model=model, champion=0.7), tmp_path, gate(measure=measure), level=0.01).verdict
        for model in (0.92, 0.72, 0.45)
    ]
    assert found == ["pass", "inconclusive", "fail"]
    margin = gate("non_inferiority", measure, 0.15)
    assert judged(drawn_rows(4, 600, model=0.8, champion=0.7), tmp_path, margin, level=0.01).verdict == "pass"
    assert judged(drawn_rows(4, 29, model=0.8, champion=0.7), tmp_path, margin, level=0.01).verdict == "inconclusive"


def test_models_alike_are_not_worse_once_the_rows_are_enough(tmp_path: Path) -> None:
    part = gate("non_inferiority", "macro_f1", 0.05)
    found = [judged(pair_rows(n, wins=0, losses=0), tmp_path, part).verdict for n in (60, 600)]
    assert found == ["inconclusive", "pass"]


@pytest.mark.parametrize("measure", ["macro_f1", "log_loss"])
def test_a_single_error_of_the_champion_does_not_show_that_the_model_makes_none(measure: str, tmp_path: Path) -> None:
    found = []
    for n in (30, 2000):
        rows = pair_rows(n, wins=1, losses=0, right=1 - 1 / n)
        rows = with_probabilities(rows, dict.fromkeys(("model", "champion"), np.full(n, 0.995)))
        found.append(judged(rows, tmp_path, gate("non_inferiority", measure, 0.05), level=0.01).verdict)
    assert found == ["inconclusive", "pass"]


def test_labels_that_only_one_of_the_two_knows_are_no_obstacle(tmp_path: Path) -> None:
    rows = drawn_rows(5, 100, model=0.9, champion=0.5)
    report = report_of(rows, folder=tmp_path, champion=True).model_copy(update={"champion_labels": (*LABELS[1:], "z", "a")})
    swapped = rows.assign(**{"probabilities:champion": [[*row[1:], 0.0, row[0]] for row in rows["probabilities:champion"]]})
    part = gate(measure="log_loss")
    assert part.decide(report, swapped, level=0.01) == judged(rows, tmp_path, part, level=0.01)


@pytest.mark.parametrize(("stray", "verdict"), [("model", "pass"), ("champion", "fail")])
def test_stray_answers_of_a_class_that_one_of_the_two_knows_cost_no_more_than_other_errors(
    stray: str, verdict: str, tmp_path: Path
) -> None:
    wrong = {name: 40 if name == stray else 200 for name in ("model", "champion")}
    rows = table(np.arange(1000) % 4, {name: np.arange(1000) >= count for name, count in wrong.items()})
    rows.loc[:9, f"predicted:{stray}"] = "z"
    known = {"labels": tuple("abcdefgh"), "champion_labels": tuple("abcdefgh")}
    known["labels" if stray == "model" else "champion_labels"] += ("z",)
    report = report_of(table(np.arange(8) % 4, {"model": np.ones(8, dtype=bool)}), folder=tmp_path, champion=True)
    assert gate(measure="macro_f1").decide(report.model_copy(update=known), rows, level=0.01).verdict == verdict


def test_macro_f1_against_the_champion_is_the_mean_over_the_classes_both_know() -> None:
    rows = drawn_rows(6, 200, model=0.8, champion=0.6)
    rows.loc[:9, "predicted:model"] = "z"
    pair = paired_statistics("macro_f1", rows, labels=(*LABELS, "z"), champion_labels=LABELS, inflation=1.0)
    expected = [
        f1_score(rows["label"], rows[f"predicted:{name}"], labels=list("abcde"), average="macro") for name in ("model", "champion")
    ]
    assert pair.advantage == pytest.approx(expected[0] - expected[1])


@pytest.mark.parametrize(("n", "level"), [(60, 0.05), (400, 0.05), (400, 0.01)])
def test_candidates_no_better_are_promoted_no_more_often_than_the_level(n: int, level: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(n)
    report = report_of(pair_rows(n, wins=1, losses=1), folder=tmp_path, champion=True)
    passed = 0
    for _ in range(400):
        rows = table(np.arange(n) % 4, {name: rng.random(n) < 0.7 for name in ("model", "champion")})
        passed += gate().decide(report, rows, level=level).verdict == "pass"
    assert passed / 400 <= level + 2 * math.sqrt(level * (1 - level) / 400)


def test_a_model_worse_by_the_margin_passes_about_as_often_as_the_level(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    report = report_of(pair_rows(200, wins=1, losses=1), folder=tmp_path, champion=True)
    part, passed = gate("non_inferiority", margin=0.03), 0
    for _ in range(300):
        rows = table(np.arange(200) % 4, {"model": rng.random(200) < 0.67, "champion": rng.random(200) < 0.7})
        passed += part.decide(report, rows, level=0.05).verdict == "pass"
    assert passed / 300 <= 0.05 + 0.025


def test_equal_macro_f1_is_called_better_about_as_often_as_the_level() -> None:
    found = [
        swap_test(statistics(drawn_rows(100 + i, 100, model=0.7, champion=0.7), "macro_f1"), level=0.05)[0] for i in range(200)
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 0.031


def test_a_gain_is_found_in_four_of_five_at_the_rows_asked_for(tmp_path: Path) -> None:
    n = fewest_rows(lambda rows: power_to_show_better(rows, 0.05, discordance=0.15, level=0.01))
    assert n is not None
    rng = np.random.default_rng(0)
    report = report_of(pair_rows(n, wins=1, losses=1), folder=tmp_path, champion=True)
    passed = 0
    for wins, losses, _ in rng.multinomial(n, [0.1, 0.05, 0.85], size=200):
        passed += gate().decide(report, pair_rows(n, wins=int(wins), losses=int(losses)), level=0.01).verdict == "pass"
    assert 0.72 <= passed / 200 <= 0.88
