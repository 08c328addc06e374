"""Predicted gains: right where the truth is known, and honest about their error."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.records import Outcome
from rootstock.similarity.evidence import LEVEL, STANDING
from rootstock.similarity.gain_model import SHARED, STANDING_RIDGE, GainModel
from rootstock.similarity.join_sources import joined_evidence
from rootstock.similarity.own_history import HALF_TRUST

CONFIDENCE = 0.9


SCORE, USELESS, PROBE = "score" + STANDING, "useless" + STANDING, "probe" + LEVEL


def outcome(target, source, evidence, gain, *, rows=32, task="t"):
    return Outcome(
        task=task, target=target, source=source, backbone="b", labelled_rows=rows, classes=2, evidence=evidence, predicted=None,
        realised=gain,
    )  # fmt: skip


def world(targets=20, sources=8, *, noise=0.02, seed=0, slope=0.1, rows=32, task="t", mean=0.05):
    """Gains that follow a score, with an error of each target and one of each pair."""
    random = np.random.default_rng(seed)
    found = []
    for t in range(targets):
        level = random.normal(scale=noise)
        scores = random.normal(size=sources)
        scores = (scores - scores.mean()) / scores.std()
        for s, score in enumerate(scores):
            gain = mean + slope * score + level + random.normal(scale=noise)
            evidence = {SCORE: score, USELESS: random.normal()}
            found.append(outcome(f"t{t}", f"s{s}", evidence, gain, rows=rows, task=task))
    return tuple(found)


def predict(model, *evidence, sources=None, rows=16.0, nearness=None):
    sources = sources or ["x"] * len(evidence)
    return model.predict(list(evidence), sources, target="new", nearness=nearness or {}, rows_per_class=rows, confidence=CONFIDENCE)


def test_without_noise_the_line_is_found():
    low, high = predict(GainModel(world(noise=0.0), (), (SCORE,)), {SCORE: -1.0}, {SCORE: 1.0})
    assert high.gain - low.gain == pytest.approx(0.2, rel=1e-6)
    assert (high.gain + low.gain) / 2 == pytest.approx(0.05, abs=1e-9)


def test_weights_are_in_the_proportions_of_a_non_negative_ridge_regression():
    from sklearn.linear_model import Ridge

    past = world(slope=0.02)
    past = tuple(outcome(o.target, o.source, o.evidence, o.realised + 0.01 * o.evidence[USELESS]) for o in past)
    targets = np.array([o.target for o in past])
    x = np.array([[o.evidence[SCORE], o.evidence[USELESS]] for o in past])
    y = np.array([o.realised for o in past])
    apart = y - np.array([y[targets == t].mean() for t in targets])
    fitted = Ridge(alpha=STANDING_RIDGE * len(y), fit_intercept=False, positive=True).fit(x, apart)
    base, one, other = predict(GainModel(past, (), (SCORE, USELESS)), {}, {SCORE: 1.0}, {USELESS: 1.0})
    assert (one.gain - base.gain) / (other.gain - base.gain) == pytest.approx(fitted.coef_[0] / fitted.coef_[1], rel=0.02)


def ranked_by_one_score(scores=12, targets=12, sources=8):
    """Gains follow the first score and its errors the others: together they explain more, alone it orders better."""
    random = np.random.default_rng(0)
    found = []
    for t in range(targets):
        first = random.normal(size=sources)
        gains = 0.02 * first - 0.3 * (np.arange(sources) == 0)
        rest = -2.0 * (np.arange(sources) == 0)[:, None] + random.normal(size=(sources, scores - 1))
        for s in range(sources):
            evidence = {f"{i}{STANDING}": value for i, value in enumerate([first[s], *rest[s]])}
            found.append(outcome(f"t{t}", f"s{s}", evidence, gains[s]))
    return tuple(found)


def test_few_scores_are_selected_where_they_order_better_what_was_left_out():
    past = ranked_by_one_score()
    names = tuple(past[0].evidence)
    base, first, other = predict(GainModel(past, (), names), {}, {names[0]: 1.0}, {names[1]: 1.0})
    assert first.gain - base.gain > 2 * (other.gain - base.gain)


def test_weights_are_shared_where_few_scores_order_no_better():
    """With one score there is nothing to select."""
    past = world(slope=0.02, noise=0.05, targets=6)
    model = GainModel(past, (), (SCORE,))
    assert model._way_and_errors(np.ones(len(past)))[0] == SHARED


def test_the_teams_own_errors_widen_and_narrow_the_interval():
    past = world(noise=0.05)
    exact, wild = (
        tuple(outcome(f"own{t}", f"s{s}", {SCORE: 0.0}, 0.05 + error * (-1) ** (s + t)) for t in range(40) for s in range(4))
        for error in (0.0, 0.4)
    )
    alone, narrow, wide = (predict(GainModel(past, own, (SCORE,)), {SCORE: 0.0})[0] for own in ((), exact, wild))
    assert narrow.high - narrow.low < alone.high - alone.low < wide.high - wide.low


def test_a_task_of_many_targets_counts_more_than_one_of_few():
    """Sources of the many follow one score, those of the few the other."""
    many = world(task="many", slope=0.02, noise=0.001, targets=20)
    few = tuple(
        outcome(o.target, o.source, {SCORE: o.evidence[USELESS], USELESS: o.evidence[SCORE]}, o.realised, task="few")
        for o in world(task="few", slope=0.02, noise=0.001, targets=2, seed=1)
    )
    base, one, other = predict(GainModel(many + few, (), (SCORE, USELESS)), {}, {SCORE: 1.0}, {USELESS: 1.0})
    assert one.gain - base.gain > 2 * (other.gain - base.gain) > 0


def test_where_sources_were_only_learned_from_together_no_way_is_preferred():
    past = tuple(o for o in with_joined(world(targets=6), 0.03) if " + " in o.source)
    assert GainModel(past, (), (SCORE,))._way_and_errors(np.ones(len(past)))[0] == SHARED


def test_own_errors_are_widened_and_count_as_a_task_known_by_so_many_targets():
    past = world(task="a") + world(task="b", seed=1)
    own = tuple(outcome(f"own{t}", "s", {SCORE: 0.0}, 0.0) for t in range(2))
    together = outcome("own0", "s + r", joined_evidence([{SCORE: 0.0}] * 2), 0.0)
    model = GainModel(past, (*own, together), (SCORE,))
    spread = model._spread(np.zeros(len(past)), np.ones(len(past)), np.array([0.1, -0.2, 9.0]), joined=False)
    assert spread.errors[len(past) :] == pytest.approx(np.array([0.1, -0.2]) * np.sqrt(1 + 1 / 2))
    share = 2 / (2 + HALF_TRUST) / 2
    assert spread.mass[len(past) :].sum() / spread.mass.sum() == pytest.approx(share / (1 + share))


def test_outcomes_on_targets_near_to_this_one_move_a_source_more():
    past = world()
    own = tuple(
        outcome(target, source, {SCORE: 0.0}, 0.05 + sign * 0.1 * (source == "s"))
        for target, sign in (("near", 1), ("far", -1))
        for source in ("s", "other")
    )
    model = GainModel(past, own, (SCORE,))
    alike, near = (predict(model, {SCORE: 0.0}, sources=["s"], nearness=each)[0].gain for each in ({}, {"near": 1.5, "far": -1.5}))
    assert near > alike + 0.01


def test_a_score_that_went_against_the_gains_counts_nothing():
    high, low = predict(GainModel(world(slope=-0.1), (), (SCORE,)), {SCORE: 1.0}, {SCORE: -1.0})
    assert high.gain == low.gain


def test_a_task_with_large_gains_does_not_drown_the_order_of_one_with_small():
    """Sources of the small task follow one score, those of the large the other."""
    small = world(task="small", slope=0.01, noise=0.001)
    large = tuple(
        outcome(o.target, o.source, {SCORE: o.evidence[USELESS], USELESS: o.evidence[SCORE]}, o.realised, task="large")
        for o in world(task="large", slope=0.3, noise=0.01, seed=1)
    )
    base, one, other = predict(GainModel(small + large, (), (SCORE, USELESS)), {}, {SCORE: 1.0}, {USELESS: 1.0})
    assert one.gain - base.gain == pytest.approx(other.gain - base.gain, rel=0.15)


def test_a_ranking_whose_probes_gain_more_is_expected_to_gain_more():
    past = tuple(outcome(f"t{t}", f"s{s}", {PROBE: 0.02 * t}, 0.02 * t, task=f"task{t % 3}") for t in range(12) for s in range(4))
    low, high = predict(GainModel(past, (), (PROBE,)), {PROBE: 0.02}, {PROBE: 0.2})
    assert 0.1 < high.gain - low.gain < 0.18


def test_intervals_hold_at_their_rate_for_targets_never_seen():
    inside = []
    for seed in range(12):
        model, fresh = GainModel(world(seed=seed), (), (SCORE, USELESS)), world(seed=100 + seed)
        said = predict(model, *(o.evidence for o in fresh))
        inside += [p.low <= o.realised <= p.high for p, o in zip(said, fresh, strict=True)]
    assert 0.86 <= np.mean(inside) <= 0.96


def test_intervals_are_wider_where_tasks_differ_and_none_is_of_this_kind():
    same = world(task="a") + world(task="b", seed=1)
    apart = world(task="a") + world(task="b", seed=1, mean=-0.2)
    narrow, wide = (predict(GainModel(past, (), (SCORE,)), {SCORE: 0.0})[0] for past in (same, apart))
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_errors_of_other_kinds_of_task_can_be_left_out_of_the_spread():
    past = world(task="a") + world(task="b", seed=1) + world(task="pictures", seed=2, mean=-0.3)
    narrow, wide = (predict(GainModel(past, (), (SCORE,), kin), {SCORE: 0.0})[0] for kin in (frozenset("ab"), frozenset()))
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def texts_and_images():
    """Two tasks of texts that gain a little, and two of images that gain much."""
    means = {"reviews": 0.02, "docs": 0.04, "digits": 0.3, "letters": 0.4}
    return tuple(each for task, mean in means.items() for each in world(mean=mean, slope=0.02, noise=0.0, task=task))


@pytest.mark.parametrize(("kin", "mean"), [({"reviews", "docs"}, 0.03), ({"digits", "letters"}, 0.35), (set(), 0.19)])
def test_how_large_gains_are_is_learned_from_tasks_of_the_same_modality(kin, mean):
    (said,) = predict(GainModel(texts_and_images(), (), (SCORE,), frozenset(kin)), {SCORE: 0.0})
    assert said.gain == pytest.approx(mean, abs=1e-6)
    assert said.low <= said.gain <= said.high


def test_order_is_learned_from_other_modalities_too_which_count_as_one_task():
    """One task of texts follows one score, three of images another; weights are shared by both scores."""
    other = [
        outcome(o.target, o.source, {SCORE: o.evidence[USELESS], USELESS: o.evidence[SCORE]}, o.realised) for o in world(seed=1)
    ]
    images = [o.model_copy(update={"task": task}) for task in ("digits", "letters", "faces") for o in other]
    past = (*world(task="reviews", seed=2), *images)

    def slopes(kin):
        model = GainModel(past, (), (SCORE, USELESS), frozenset(kin))
        fitted = model._fit(np.ones(len(past), dtype=bool), np.ones(len(past)), SHARED)
        base, one, two = fitted(model._table([{}, {SCORE: 1.0}, {USELESS: 1.0}]))
        return (one - base) / (two - base)

    assert slopes({"reviews"}) == pytest.approx(1.0, abs=0.15)
    assert slopes(set()) == pytest.approx(1 / 3, abs=0.1)


def test_the_risk_is_the_share_that_turns_out_negative():
    model = GainModel(world(seed=1, slope=0.05), (), (SCORE,))
    fresh = [o for seed in range(2, 12) for o in world(seed=seed, slope=0.05)]
    risks = np.array([p.risk for p in predict(model, *(o.evidence for o in fresh))])
    negative = np.array([o.realised < 0 for o in fresh])
    middle = (risks > 0.3) & (risks < 0.7)
    assert negative[middle].mean() == pytest.approx(risks[middle].mean(), abs=0.12)
    assert negative[risks > 0.9].mean() > 0.85
    assert negative[risks < 0.1].mean() < 0.15


def test_a_missing_score_is_not_taken_for_a_low_one():
    nothing, middling = predict(GainModel(world(), (), (SCORE, USELESS)), {}, {SCORE: 0.0, USELESS: 0.0})
    assert nothing.gain == pytest.approx(middling.gain)


def test_outcomes_with_as_many_labelled_rows_count_more():
    past = world(mean=0.2, rows=32) + world(mean=0.0, rows=512, seed=5)
    model = GainModel(past, (), (SCORE,))
    [few], [many] = (predict(model, {SCORE: 0.0}, rows=rows) for rows in (16.0, 256.0))
    assert few.gain > many.gain + 0.1


def test_a_target_with_more_rows_than_any_before_uses_the_nearest():
    model = GainModel(world(rows=32), (), (SCORE,))
    near, far = (predict(model, {SCORE: 1.0}, rows=rows)[0].gain for rows in (16.0, 1e6))
    assert near == pytest.approx(far)


def test_a_target_does_not_help_to_calibrate_its_own_error():
    """One target where the score misleads: were it seen, its errors would be smaller."""
    odd = tuple(outcome("odd", f"s{i}", {SCORE: float(i)}, -0.5 * i) for i in range(8))
    model = GainModel(world(noise=0.001) + odd, (), (SCORE,))
    weights = np.ones(len(model.bundled))
    errors = model._way_and_errors(weights)[1][-8:]
    assert np.abs(errors).max() > 3.0


def test_the_teams_own_outcomes_move_predictions_and_most_those_of_the_same_source():
    past = world()
    own = tuple(outcome("mine", "disappointing", {SCORE: 1.0}, -0.1) for _ in range(6))
    before, after_other, after_same = (
        predict(GainModel(past, history, (SCORE,)), {SCORE: 1.0}, sources=[source])[0].gain
        for history, source in (((), "other"), (own, "other"), (own, "disappointing"))
    )
    assert before > after_other > after_same > -0.1


def test_one_surprise_does_not_turn_a_prediction():
    past = world()
    own = (outcome("mine", "s", {SCORE: 1.0}, -0.5),)
    before, after = (predict(GainModel(past, h, (SCORE,)), {SCORE: 1.0}, sources=["s"])[0].gain for h in ((), own))
    assert 0 < before - after < (before + 0.5) / 2


def test_a_surprise_on_few_test_rows_moves_hardly_anything():
    past = world()
    sure, unsure = (
        GainModel(past, (outcome("mine", "s", {SCORE: 1.0}, -0.5).model_copy(update={"standard_error": error}),), (SCORE,))
        for error in (0.0, 0.5)
    )
    before, after, hardly = (
        predict(model, {SCORE: 1.0}, sources=["s"])[0].gain for model in (GainModel(past, (), (SCORE,)), sure, unsure)
    )
    assert before - hardly < 0.02 < before - after


def test_the_order_of_outcomes_does_not_matter():
    past = world()
    one, other = (predict(GainModel(order, (), (SCORE, USELESS)), {SCORE: 0.5})[0] for order in (past, past[::-1]))
    assert one.gain == pytest.approx(other.gain)
    assert (one.low, one.high, one.risk) == pytest.approx((other.low, other.high, other.risk))


def test_evidence_is_not_changed():
    evidence = {SCORE: 0.5, USELESS: None}
    predict(GainModel(world(), (), (SCORE, USELESS)), evidence)
    assert evidence == {SCORE: 0.5, USELESS: None}


def with_joined(past, surplus, *, noise=0.0, seed=0):
    """The same, and in every ranking the first three sources together: their mean, and a surplus."""
    random, found = np.random.default_rng(seed), list(past)
    for task, target in sorted({(o.task, o.target) for o in past}):
        three = [o for o in past if (o.task, o.target) == (task, target)][:3]
        evidence = joined_evidence([o.evidence for o in three])
        gain = np.mean([o.realised for o in three]) + surplus + random.normal(scale=noise)
        found.append(outcome(target, " + ".join(o.source for o in three), evidence, float(gain), task=task))
    return tuple(found)


def test_sources_together_gain_their_mean_and_the_surplus_of_such_before():
    model = GainModel(with_joined(world(noise=0.0), 0.03), (), (SCORE,))
    one, together = predict(model, {SCORE: 0.5}, joined_evidence([{SCORE: 1.0}, {SCORE: 0.0}]))
    assert together.gain - one.gain == pytest.approx(0.03, rel=1e-6)


def test_without_such_outcomes_sources_together_gain_their_mean():
    one, together = predict(GainModel(world(), (), (SCORE,)), {SCORE: 0.5}, joined_evidence([{SCORE: 1.0}, {SCORE: 0.0}]))
    assert together == one


def test_outcomes_of_sources_together_leave_predictions_of_single_ones_as_they_are():
    past = world()
    before, after = (predict(GainModel(each, (), (SCORE,)), {SCORE: 0.5})[0] for each in (past, with_joined(past, 0.1)))
    assert (after.gain, after.low, after.high, after.risk) == pytest.approx((before.gain, before.low, before.high, before.risk))


def test_a_surplus_is_larger_where_gains_differ_more():
    """Half of the tasks have ten times the spread and ten times the surplus; what is added is that of the usual spread."""
    small, large = world(task="small", slope=0.01, noise=0.0), world(task="large", slope=0.1, noise=0.0, seed=1)
    past = with_joined(small, 0.003) + with_joined(large, 0.03)
    one, together = predict(GainModel(past, (), (SCORE,)), {SCORE: 0.0}, joined_evidence([{SCORE: 0.0}, {SCORE: 0.0}]))
    assert together.gain - one.gain == pytest.approx(np.sqrt(0.003 * 0.03), rel=0.05)


def test_the_interval_of_sources_together_is_made_of_their_own_errors():
    past = with_joined(world(noise=0.001), 0.03, noise=0.05)
    one, together = predict(GainModel(past, (), (SCORE,)), {SCORE: 0.0}, joined_evidence([{SCORE: 0.0}, {SCORE: 0.0}]))
    assert together.high - together.low > 5 * (one.high - one.low)


def test_a_task_in_which_none_were_learned_from_together_widens_their_interval_by_its_own_errors():
    joined = with_joined(world(task="a"), 0.03) + with_joined(world(task="b", seed=1), 0.03)
    apart = world(task="c", seed=2, mean=-0.2)
    evidence = joined_evidence([{SCORE: 0.0}, {SCORE: 0.0}])
    narrow, wide = (predict(GainModel(past, (), (SCORE,)), evidence)[0] for past in (joined, joined + apart))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_the_error_on_a_target_is_that_without_outcomes_of_sources_together_of_which_it_is_one():
    """With either target left out nothing is known of sources together: both errors are the gains themselves, and positive."""
    alone = tuple(outcome(f"d{t}", f"d{s}", {SCORE: 0.0}, 0.0) for t in range(4) for s in range(4) if s != t)
    together = joined_evidence([{SCORE: 0.0}] * 2)
    past = (*alone, outcome("d1", "d2 + d3", together, 0.1), outcome("d2", "d1 + d3", together, 0.5))
    [said] = predict(GainModel(past, (), (SCORE,)), together)
    assert said.low > said.gain


def test_the_teams_outcomes_of_sources_together_count_in_whatever_order_they_were_joined():
    own = tuple(outcome("mine", "films + books", joined_evidence([{SCORE: 0.0}] * 2), -0.2) for _ in range(6))
    model = GainModel(with_joined(world(), 0.03), own, (SCORE,))
    evidence = joined_evidence([{SCORE: 0.0}] * 2)
    asked = ["books + films", "books + toys", "toys + games", "games"]
    same, half, other, single = predict(model, *[evidence] * 3, {SCORE: 0.0}, sources=asked)
    assert same.gain < half.gain < other.gain
    assert other.gain - single.gain == pytest.approx(0.03, abs=0.01)
