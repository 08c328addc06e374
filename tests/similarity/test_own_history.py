"""What a team's own outcomes say of the target at hand."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.records import Outcome
from rootstock.similarity.own_history import ALL_PARTS, OF_ALL, OF_BOTH, OF_SOURCE, OF_TARGET, left_out_errors, shift_of
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import PairwiseKernel

USUAL_ERROR = 0.05


def outcome(target, source, *, standard_error=0.0):
    return Outcome(
        task="t",
        target=target,
        source=source,
        backbone="b",
        labelled_rows=32,
        classes=2,
        evidence={},
        predicted=None,
        realised=0.0,
        standard_error=standard_error,
    )


def past_of(errors):
    return [outcome(*name.split("<")) for name, _ in errors]


def ask(past, errors, sources, *, nearness=None, target="new"):
    return shift_of(past, errors, usual_error=USUAL_ERROR, sources=sources, target=target, nearness=nearness or {})


def shift(errors, *sources, nearness=None, target="new"):
    """Of pairs ("target<source", error); one number for one source."""
    errors = list(errors.items()) if isinstance(errors, dict) else errors
    found = ask(past_of(errors), [error for _, error in errors], sources, nearness=nearness, target=target)
    return found.tolist() if len(sources) > 1 else float(found[0])


def left_out(errors):
    return left_out_errors(past_of(errors.items()), list(errors.values()), usual_error=USUAL_ERROR).tolist()


def drawn(random, *, targets, sources):
    """Errors made of the parts as they are assumed to be."""
    shared = random.normal(scale=OF_ALL**0.5)
    of_source = random.normal(scale=OF_SOURCE**0.5, size=sources)
    of_target = random.normal(scale=OF_TARGET**0.5, size=targets)
    rest = random.normal(scale=OF_BOTH**0.5, size=(targets, sources))
    parts = shared + of_target[:, None] + of_source[None] + rest
    return parts, parts + random.normal(size=parts.shape)


def test_no_outcome_moves_nothing():
    assert shift({}, "books", "films") == [0.0, 0.0]


def test_one_outcome_by_hand():
    same, other = shift({"films<books": 0.08}, "books", "other")
    assert same == pytest.approx(0.08 * (OF_ALL + OF_SOURCE) / ALL_PARTS)
    assert other == pytest.approx(0.08 * OF_ALL / ALL_PARTS)


def test_one_outcome_on_the_target_itself_by_hand():
    same, other = shift({"new<books": 0.08}, "books", "other")
    assert same == pytest.approx(0.08 * (ALL_PARTS - 1.0) / ALL_PARTS)
    assert other == pytest.approx(0.08 * (OF_ALL + OF_TARGET) / ALL_PARTS)


def test_it_is_the_mean_of_a_gaussian_process_with_that_covariance():
    """Where all targets are as near, against scikit-learn."""
    random = np.random.default_rng(0)
    rows = np.array([[target, source] for target in range(4) for source in range(5) if (target + source) % 3])
    errors = random.normal(size=len(rows))

    def covariance(first, second, **_):
        one_target, one_source = first[0] == second[0], first[1] == second[1]
        return (
            OF_ALL
            + OF_TARGET * one_target
            + OF_SOURCE * one_source
            + OF_BOTH * (one_target and one_source)
            + 1e-12 * (first is second)
        )

    regressor = GaussianProcessRegressor(PairwiseKernel(metric=covariance), alpha=1.0, optimizer=None).fit(rows, errors)
    expected = regressor.predict(np.array([[9, source] for source in range(5)]))
    names = [(f"t{target}<s{source}", error) for (target, source), error in zip(rows, errors, strict=True)]
    assert shift(names, *(f"s{source}" for source in range(5))) == pytest.approx(expected.tolist())


def test_it_foretells_errors_as_large_as_they_are():
    """Slope one of what comes on what was said, and nearer to it than saying nothing."""
    random = np.random.default_rng(0)
    said, came = [], []
    for _ in range(2000):
        parts, seen = drawn(random, targets=5, sources=4)
        past = [(f"t{t}<s{s}", seen[t, s]) for t in range(4) for s in range(4)]
        said += shift(past, *(f"s{s}" for s in range(4)))
        came += parts[4].tolist()
    slope = np.polyfit(said, came, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.1)
    assert np.mean(np.subtract(came, said) ** 2) < 0.85 * np.mean(np.square(came))


def test_what_all_sources_of_a_target_were_off_by_is_not_held_for_the_source():
    """Every source of one target disappoints alike: it was the target, or all of them."""
    tried, other = shift({f"films<s{i}": -0.1 for i in range(9)}, "s0", "other")
    assert tried < other < 0
    assert tried - other > -0.02


def test_many_targets_are_believed():
    errors = {f"t{i}<{source}": error for i in range(100) for source, error in (("good", 0.05), ("bad", -0.05))}
    assert shift(errors, "good", "bad") == pytest.approx([0.05, -0.05], rel=0.05)


def test_targets_near_to_this_one_tell_more_of_a_source():
    errors = {"near<s": 0.1, "near<other": 0.0, "far<s": -0.1, "far<other": 0.0}
    better, other = shift(errors, "s", "other", nearness={"near": 1.5, "far": -1.5})
    assert better > other + 0.01
    assert shift(errors, "s") == pytest.approx(shift(errors, "other"))


def test_however_near_a_target_is_one_outcome_says_no_more_than_its_part():
    near = shift({"near<s": -0.5}, "s", nearness={"near": 40.0, "s": -2.0})
    assert near == pytest.approx(shift({"near<s": -0.5}, "s"))


def test_the_target_itself_tells_more_than_another():
    assert shift({"new<s": 0.1}, "s") > shift({"films<s": 0.1}, "s", nearness={"films": 3.0}) > 0


def test_an_outcome_measured_on_few_rows_says_less_by_hand():
    past = [outcome("films", "books", standard_error=3 * USUAL_ERROR)]
    assert ask(past, [0.3], ["other"]).tolist() == pytest.approx([0.3 * OF_ALL / (ALL_PARTS + 9 * ALL_PARTS)])


def test_left_out_errors_of_outcomes_measured_on_few_rows_foretell_less_of_others():
    rough = [outcome("films", "a", standard_error=1.0), outcome("books", "a")]
    found = left_out_errors(rough, [0.3, 0.0], usual_error=USUAL_ERROR)
    assert found == pytest.approx([0.3, 0.0], abs=1e-3)
    assert left_out({"films<a": 0.3, "books<a": 0.0})[1] < -0.05


def test_the_same_again_says_more_but_never_more_than_was_seen():
    found = [shift([("films<books", 0.06)] * times, "books") for times in (1, 2, 50)]
    assert found[0] < found[1] < found[2] < 0.06


def test_sources_learned_from_together_have_the_mean_of_their_parts():
    alone = shift({"films<a": 0.1}, "a + b")
    assert shift({"films<a": 0.1}, "b") < alone < shift({"films<a": 0.1}, "a")
    assert shift({"films<a": 0.1}, "b + a") == pytest.approx(alone)


def test_left_out_errors_are_those_less_what_the_other_targets_say():
    errors = {"t0<a": 0.1, "t0<b": 0.04, "t1<a": -0.02, "t2<a": 0.05, "t2<b": 0.01}
    found = left_out(errors)
    for index, (name, error) in enumerate(errors.items()):
        target, source = name.split("<")
        others = {other: value for other, value in errors.items() if not other.startswith(target)}
        assert found[index] == pytest.approx(error - shift(others, source))


def test_left_out_errors_of_one_target_are_as_they_were():
    assert left_out({"films<a": 0.1, "films<b": -0.3}) == pytest.approx([0.1, -0.3])


def test_the_order_of_outcomes_does_not_matter():
    errors = {"t0<a": 0.1, "t1<b": -0.02, "t1<a": 0.03}
    assert shift(errors, "a") == pytest.approx(shift(dict(reversed(errors.items())), "a"))


def test_what_is_given_is_not_changed():
    nearness, errors = {"films": 1.0}, [0.1]
    ask([outcome("films", "books")], errors, ["books"], nearness=nearness)
    assert (nearness, errors) == ({"films": 1.0}, [0.1])
