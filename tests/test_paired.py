"""Paired statistics against statsmodels and published values, and their error rates."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from rootstock.paired import (
    Pair,
    holm,
    mcnemar_exact,
    more_rows,
    pair_of,
    rows_to_exclude,
    rows_to_show_better,
    score_interval,
)
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests


def test_a_pair_counts_the_rows_that_only_one_has_right() -> None:
    first, second = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert pair_of(first, second) == Pair(wins=1, losses=1, n=4)


@pytest.mark.parametrize(("first", "second"), [([], []), ([True], [True, False])])
def test_answers_to_other_or_to_no_rows_are_refused(first: list[bool], second: list[bool]) -> None:
    with pytest.raises(ValueError, match="same rows"):
        pair_of(np.array(first, dtype=bool), np.array(second, dtype=bool))


@pytest.mark.parametrize(("wins", "losses"), [(16, 6), (6, 16), (3, 0), (5, 5), (40, 21)])
def test_the_exact_p_value_is_that_of_statsmodels(wins: int, losses: int) -> None:
    one_sided = [mcnemar_exact(Pair(a, b, 200)) for a, b in ((wins, losses), (losses, wins))]
    two_sided = mcnemar([[50, wins], [losses, 50]], exact=True).pvalue
    assert min(1.0, 2 * min(one_sided)) == pytest.approx(two_sided)


def test_identical_models_are_not_significantly_different() -> None:
    assert mcnemar_exact(Pair(0, 0, 100)) == 1.0


def test_holm_is_that_of_statsmodels() -> None:
    p_values = [0.04, 0.001, 0.3, 0.02, 0.02]
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == ()


def test_the_score_interval_is_the_published_one() -> None:
    # Complete responses before and after consolidation (Cavo et al. 2012), as in Fagerland, Lydersen and Laake, "Statistical
    # Analysis of Contingency Tables", 2017, section 8: -0.0621 (-0.1240 to -0.0054).
    low, high = score_interval(Pair(wins=6, losses=16, n=161), confidence=0.95)
    assert (low, high) == pytest.approx((-0.1240, -0.0054), abs=5e-5)


def test_swapping_the_models_mirrors_the_interval() -> None:
    low, high = score_interval(Pair(9, 4, 70), confidence=0.9)
    assert score_interval(Pair(4, 9, 70), confidence=0.9) == pytest.approx((-high, -low))


def test_identical_answers_leave_a_width_that_shrinks_with_the_rows() -> None:
    z_squared = 1.6448536**2
    for n in (3, 100, 1000):
        low, high = score_interval(Pair(0, 0, n), confidence=0.9)
        assert (low, high) == pytest.approx((-z_squared / (n + z_squared), z_squared / (n + z_squared)), abs=1e-6)


@pytest.mark.parametrize("pair", [Pair(3, 0, 3), Pair(0, 3, 3), Pair(1, 1, 2), Pair(1, 0, 1)])
def test_limits_stay_within_minus_one_and_one_and_hold_the_difference(pair: Pair) -> None:
    low, high = score_interval(pair, confidence=0.95)
    assert -1 <= low <= pair.difference <= high <= 1


def _pairs(rng: np.random.Generator, *, wins: float, losses: float, n: int, draws: int) -> list[Pair]:
    drawn = rng.multinomial(n, [wins, losses, 1 - wins - losses], size=draws)
    return [Pair(int(w), int(c), n) for w, c, _ in drawn]


@pytest.mark.parametrize("n", [20, 100, 400])
def test_equal_models_are_called_better_no_more_often_than_alpha(n: int) -> None:
    pairs = _pairs(np.random.default_rng(n), wins=0.15, losses=0.15, n=n, draws=3000)
    cached = cache(mcnemar_exact)
    assert np.mean([cached(pair) <= 0.05 for pair in pairs]) <= 0.05 + 0.004


@pytest.mark.parametrize(("n", "discordance"), [(50, 0.3), (200, 0.1), (500, 0.2)])
def test_a_model_worse_by_the_margin_is_called_not_worse_about_as_often_as_alpha(n: int, discordance: float) -> None:
    margin = 0.05
    wins, losses = (discordance - margin) / 2, (discordance + margin) / 2
    pairs = _pairs(np.random.default_rng(n), wins=wins, losses=losses, n=n, draws=3000)
    low = cache(lambda pair: score_interval(pair, confidence=0.9)[0])
    assert np.mean([low(pair) > -margin for pair in pairs]) <= 0.05 + 0.012


def test_the_score_interval_covers_in_92_to_98_percent() -> None:
    pairs = _pairs(np.random.default_rng(0), wins=0.12, losses=0.06, n=60, draws=3000)
    limits = cache(lambda pair: score_interval(pair, confidence=0.95))
    covered = np.mean([limits(pair)[0] <= 0.06 <= limits(pair)[1] for pair in pairs])
    assert 0.92 <= covered <= 0.98


def test_connors_sample_size_is_the_formulas_by_hand() -> None:
    # d = .1, discordance .3, one-sided .05, power .8: (1.64485 sqrt(.3) + .84162 sqrt(.3 - .01))^2 / .01 = 183.4
    assert rows_to_show_better(Pair(20, 10, 100), alpha=0.05) == 184


def test_the_rows_named_do_settle_it_in_most_cases() -> None:
    needed = rows_to_show_better(Pair(20, 10, 100), alpha=0.05)
    assert needed is not None
    pairs = _pairs(np.random.default_rng(1), wins=0.2, losses=0.1, n=needed, draws=2000)
    cached = cache(mcnemar_exact)
    assert 0.72 <= np.mean([cached(pair) <= 0.05 for pair in pairs]) <= 0.88


def test_the_rows_named_do_exclude_the_margin_in_most_cases() -> None:
    needed = rows_to_exclude(Pair(10, 10, 100), -0.05, alpha=0.05)
    assert needed is not None
    pairs = _pairs(np.random.default_rng(1), wins=0.1, losses=0.1, n=needed, draws=2000)
    low = cache(lambda pair: score_interval(pair, confidence=0.9)[0])
    assert 0.72 <= np.mean([low(pair) > -0.05 for pair in pairs]) <= 0.88


def test_models_that_answer_alike_need_rows_too() -> None:
    needed = rows_to_exclude(Pair(0, 0, 3), -0.02, alpha=0.05)
    assert needed == 133
    assert score_interval(Pair(0, 0, needed), confidence=0.9)[0] > -0.02


def test_no_number_of_rows_shows_a_lead_that_is_not_there() -> None:
    assert rows_to_show_better(Pair(4, 6, 50), alpha=0.05) is None
    assert rows_to_exclude(Pair(4, 6, 50), -0.04, alpha=0.05) is None
    assert more_rows(None, 50).startswith("no number of rows")


def test_the_sentence_has_two_figures() -> None:
    assert more_rows(1234 + 200, 200) == "about 1,200 more labelled rows to test on would settle it"
    assert more_rows(237, 200) == "about 37 more labelled rows to test on would settle it"


def test_rows_are_told_with_what_they_count_for_where_that_is_less() -> None:
    right, groups = np.arange(40) % 3 > 0, np.repeat(np.arange(10), 4)
    assert pair_of(right, ~right).counted == "40 rows"
    assert pair_of(groups % 2 == 0, np.zeros(40, dtype=bool), groups=groups).counted == "40 rows that count for 10"
    assert pair_of(right, ~right, inflation=2.0).counted == "40 rows that count for 20"
