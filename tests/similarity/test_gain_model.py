"""Predicted gains: right where the truth is known, and honest about their error."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.records import Outcome
from rootstock.similarity.gain_model import GainModel

CONFIDENCE = 0.9


def outcome(target, source, evidence, gain, *, rows=32):
    return Outcome(
        task="t", target=target, source=source, backbone="b", labelled_rows=rows, classes=2, evidence=evidence, predicted=None,
        realised=gain,
    )  # fmt: skip


def world(targets=20, sources=8, *, noise=0.02, seed=0, slope=0.1, rows=32):
    """Gains that follow a score, with an error of each target and one of each pair."""
    random = np.random.default_rng(seed)
    found = []
    for t in range(targets):
        level = random.normal(scale=noise)
        for s in range(sources):
            score = random.normal()
            gain = 0.05 + slope * score + level + random.normal(scale=noise)
            found.append(outcome(f"t{t}", f"s{s}", {"score": score, "useless": random.normal()}, gain, rows=rows))
    return tuple(found)


def predict(model, *evidence, sources=None, rows=16.0):
    return model.predict(list(evidence), sources or ["x"] * len(evidence), rows_per_class=rows, confidence=CONFIDENCE)


def test_without_noise_the_line_is_found_but_for_the_ridge():
    model = GainModel(world(noise=0.0), (), ("score",))
    low, high = predict(model, {"score": -1.0}, {"score": 1.0})
    # Scores are standardised: a ridge of a thirtieth on a variance of one divides the slope by 31/30.
    assert high.gain - low.gain == pytest.approx(0.2 * 30 / 31, rel=0.01)


def test_one_kind_of_evidence_gives_what_a_weighted_ridge_regression_gives():
    from sklearn.linear_model import Ridge

    past = world()
    x = np.array([[o.evidence["score"]] for o in past])
    y = np.array([o.realised for o in past])
    z = (x - x.mean()) / x.std()
    fitted = Ridge(alpha=len(y) / 30).fit(z, y)
    [found] = predict(GainModel(past, (), ("score",)), {"score": 0.7})
    assert found.gain == pytest.approx(float(fitted.predict([[(0.7 - x.mean()) / x.std()]])[0]), abs=1e-9)


def test_intervals_hold_at_their_rate_for_targets_never_seen():
    inside = []
    for seed in range(12):
        model, fresh = GainModel(world(seed=seed), (), ("score", "useless")), world(seed=100 + seed)
        said = predict(model, *(o.evidence for o in fresh))
        inside += [p.low <= o.realised <= p.high for p, o in zip(said, fresh, strict=True)]
    assert 0.86 <= np.mean(inside) <= 0.95


def test_the_risk_is_the_share_that_turns_out_negative():
    model = GainModel(world(seed=1, slope=0.05), (), ("score",))
    fresh = [o for seed in range(2, 12) for o in world(seed=seed, slope=0.05)]
    risks = np.array([p.risk for p in predict(model, *(o.evidence for o in fresh))])
    negative = np.array([o.realised < 0 for o in fresh])
    middle = (risks > 0.3) & (risks < 0.7)
    assert negative[middle].mean() == pytest.approx(risks[middle].mean(), abs=0.1)
    assert negative[risks > 0.9].mean() > 0.85
    assert negative[risks < 0.1].mean() < 0.15


def test_a_missing_score_is_not_taken_for_a_low_one():
    model = GainModel(world(), (), ("score", "useless"))
    nothing, middling = predict(model, {}, {"score": 0.0, "useless": 0.0})
    assert nothing.gain == pytest.approx(middling.gain, abs=0.01)


def test_outcomes_with_as_many_labelled_rows_count_more():
    past = world(slope=0.1, rows=32) + world(slope=0.0, rows=512, seed=5)
    model = GainModel(past, (), ("score",))
    [few], [many] = (predict(model, {"score": 2.0}, rows=rows) for rows in (16.0, 256.0))
    assert few.gain > many.gain + 0.1


def test_a_target_with_more_rows_than_any_before_uses_the_nearest():
    model = GainModel(world(rows=32), (), ("score",))
    near, far = (predict(model, {"score": 1.0}, rows=rows)[0].gain for rows in (16.0, 1e6))
    assert near == pytest.approx(far)


def test_a_target_does_not_help_to_calibrate_its_own_error():
    """One target where the score misleads: were it seen, its errors would be smaller."""
    odd = tuple(outcome("odd", f"s{i}", {"score": float(i)}, -0.5 * i) for i in range(8))
    model = GainModel(world(noise=0.001) + odd, (), ("score",))
    weights = np.ones(len(model.bundled))
    errors = model._left_out_errors(weights)[-8:]
    assert np.abs(errors).max() > 3.0


def test_the_teams_own_outcomes_move_predictions_and_most_those_of_the_same_source():
    past = world()
    own = tuple(outcome("mine", "disappointing", {"score": 1.0}, -0.1) for _ in range(6))
    before, after_other, after_same = (
        predict(GainModel(past, history, ("score",)), {"score": 1.0}, sources=[source])[0].gain
        for history, source in (((), "other"), (own, "other"), (own, "disappointing"))
    )
    assert before > after_other > after_same > -0.1


def test_one_surprise_does_not_turn_a_prediction():
    past = world()
    own = (outcome("mine", "s", {"score": 1.0}, -0.5),)
    before, after = (predict(GainModel(past, h, ("score",)), {"score": 1.0}, sources=["s"])[0].gain for h in ((), own))
    assert before - after < 0.2


def test_the_order_of_outcomes_does_not_matter():
    past = world()
    one, other = (predict(GainModel(order, (), ("score", "useless")), {"score": 0.5})[0] for order in (past, past[::-1]))
    assert one.gain == pytest.approx(other.gain)
    assert (one.low, one.high, one.risk) == pytest.approx((other.low, other.high, other.risk))


def test_evidence_is_not_changed():
    evidence = {"score": 0.5, "useless": None}
    predict(GainModel(world(), (), ("score", "useless")), evidence)
    assert evidence == {"score": 0.5, "useless": None}
