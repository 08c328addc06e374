"""Label spreading against the closed form of its paper, on shapes, and through a whole fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from rootstock.classifier import Classifier, training_hashes
from rootstock.files import sha256_of
from rootstock.finetuning.choose_method import Circumstances, choose_method
from rootstock.finetuning.finetune import finetune
from rootstock.finetuning.label_spreading import LabelSpreading
from rootstock.finetuning.ladder import climb
from rootstock.finetuning.linear_probe import LinearProbe
from rootstock.finetuning.spread_labels import spread_labels, with_shares
from rootstock.head import log_probabilities, scaled
from rootstock.part import Rows, Start, UnlabelledRows
from rootstock.records import RowsFile, TunedBackbone

USUAL = {"neighbours": (5, 8), "alpha": 0.9, "class_shares": "free", "regularisation": 10.0, "unlabelled_rows": 200, "after": None}
NO_BACKBONE = Start(load=lambda: pytest.fail("the backbone is not read"), classes=3, prior=None)


def method(**changes) -> LabelSpreading:
    return LabelSpreading(**(USUAL | changes))


def rings(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 3) and labels (n,): two rings around a sphere, much longer than the gap between them."""
    random = np.random.default_rng(seed)
    labels, place = np.arange(n) % 2, random.uniform(0, 2 * np.pi, size=n)
    height = np.where(labels == 0, 0.0, 0.6) + random.normal(scale=0.01, size=n)
    return np.stack([np.cos(place), np.sin(place), height], axis=1), labels


def blobs(n: int, *, seed: int, noise: float = 0.5) -> Rows:
    """Three classes, each around a direction of its own."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return Rows([f"{seed}-{row}" for row in range(n)], labels, np.eye(3, 8)[labels] + random.normal(scale=noise, size=(n, 8)))


def with_more(start: Start, rows: Rows) -> Start:
    """The start, with the rows as such without label."""
    return replace(start, unlabelled=UnlabelledRows(lambda most: rows.inputs[:most], lambda most: rows.features[:most]))


def fit(rows, *, more=None, heldout=None, setting=None, start=NO_BACKBONE, **changes):
    begin = start if more is None else with_more(start, more)
    return method(**changes).fit(begin, rows, heldout=heldout, setting=setting, seed=0)


def accuracy(head, rows) -> float:
    return float((log_probabilities(rows.features, head).argmax(axis=1) == rows.labels).mean())


def closed_form(features: np.ndarray, labels: np.ndarray, *, neighbours: int, alpha: float) -> np.ndarray:
    """(1 - alpha) (I - alpha S)^-1 Y of Zhou et al., by loops and a dense solver."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine, n = unit @ unit.T, len(features)
    weights = np.zeros((n, n))
    for row in range(n):
        others = [each for each in np.argsort(-cosine[row]) if each != row][:neighbours]
        for each in others:
            weights[row, each] += max(cosine[row, each], 0) ** 3
            weights[each, row] += max(cosine[row, each], 0) ** 3
    degree = weights.sum(axis=1)
    known = np.zeros((n, labels.max() + 1))
    known[np.arange(len(labels)), labels] = 1
    return (1 - alpha) * np.linalg.solve(np.eye(n) - alpha * weights / np.sqrt(np.outer(degree, degree)), known)


@pytest.mark.parametrize("alpha", [0.5, 0.9])
def test_labels_and_weights_are_those_of_the_closed_form(alpha):
    rows = blobs(90, seed=1)
    found, weights = spread_labels(rows.features, rows.labels[:12], neighbours=6, alpha=alpha, as_labelled=False)
    scores = closed_form(rows.features, rows.labels[:12], neighbours=6, alpha=alpha)
    shares = scores / scores.sum(axis=1, keepdims=True)
    entropy = -(shares * np.log(shares)).sum(axis=1)
    np.testing.assert_array_equal(found[12:], scores.argmax(axis=1)[12:])
    np.testing.assert_allclose(weights[12:], (1 - entropy / np.log(3))[12:], atol=0.02)


def test_shares_as_labelled_change_labels_of_other_rows_alone():
    rows = blobs(200, seed=1, noise=0.6)
    known = rows.labels[[0, 1, 2, 3, 6, 9, 12]]
    features = rows.features[np.r_[[0, 1, 2, 3, 6, 9, 12], 20:200]]
    free, aligned = (spread_labels(features, known, neighbours=10, alpha=0.9, as_labelled=each) for each in (False, True))
    np.testing.assert_array_equal(aligned[0][:7], known)
    np.testing.assert_array_equal(aligned[1][:7], 1.0)
    assert (free[0] != aligned[0]).any()


def test_moving_scores_keeps_rows_whole_and_meets_the_shares():
    scores = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    wanted = np.array([0.6, 0.3, 0.1])
    moved = with_shares(scores, wanted)
    np.testing.assert_allclose(moved.sum(axis=1), 1.0)
    np.testing.assert_allclose(moved.mean(axis=0), wanted, atol=1e-6)
    ratios = moved / scores  # nearest by relative entropy: a factor a row times a factor a class
    np.testing.assert_allclose(ratios[:, 0] * ratios[0, 1] / ratios[0, 0], ratios[:, 1], rtol=1e-6)


def test_labels_follow_rings_where_the_nearest_labelled_row_misleads():
    features, labels = rings(300, seed=1)
    found, _ = spread_labels(features, labels[:4], neighbours=8, alpha=0.9, as_labelled=False)
    by_the_nearest = labels[:4][(scaled(features) @ scaled(features[:4]).T).argmax(axis=1)]
    assert (found == labels).mean() == 1.0
    assert (by_the_nearest == labels).mean() < 0.95


def test_labelled_rows_keep_their_labels_at_full_weight():
    rows = blobs(60, seed=1, noise=0.2)
    wrong = np.array([1, 1, 2, 0])  # the first stands among rows of another class
    found, weights = spread_labels(np.vstack([rows.features[:1], rows.features]), wrong, neighbours=5, alpha=0.9, as_labelled=False)
    np.testing.assert_array_equal(found[:4], wrong)
    np.testing.assert_array_equal(weights[:4], 1.0)


def test_rows_that_no_label_reaches_count_for_nothing():
    rows = blobs(40, seed=1, noise=0.2)
    main, island = np.pad(rows.features, ((0, 0), (0, 8))), np.pad(rows.features[:10], ((0, 0), (8, 0)))
    _, weights = spread_labels(np.vstack([main, island]), rows.labels[:20], neighbours=3, alpha=0.9, as_labelled=False)
    assert weights[40:].max() == 0.0
    assert weights[20:40].min() > 0.0


def test_the_order_of_rows_without_label_does_not_matter():
    rows = blobs(80, seed=1)
    order = np.r_[np.arange(10), 10 + np.random.default_rng(3).permutation(70)]
    one = spread_labels(rows.features, rows.labels[:10], neighbours=5, alpha=0.9, as_labelled=False)
    two = spread_labels(rows.features[order], rows.labels[:10], neighbours=5, alpha=0.9, as_labelled=False)
    np.testing.assert_array_equal(one[0][order], two[0])
    np.testing.assert_allclose(one[1][order], two[1], atol=1e-12)


def test_a_class_that_lacks_labels_is_never_predicted():
    rows, more = blobs(30, seed=1), blobs(60, seed=2)
    two = Rows(rows.inputs[:6], np.array([0, 2, 0, 2, 0, 2]), rows.features[:6])
    assert set(log_probabilities(more.features, fit(two, more=more).head).argmax(axis=1)) <= {0, 2}


def test_one_class_spreads_to_all():
    found, weights = spread_labels(blobs(9, seed=1).features, np.array([1, 1]), neighbours=5, alpha=0.9, as_labelled=False)
    assert set(found) == {1}
    assert weights.min() == 1.0


def test_with_one_label_a_class_more_rows_help_where_classes_form_clusters():
    rows, more, test = blobs(3, seed=1, noise=0.35), blobs(200, seed=2, noise=0.35), blobs(600, seed=3, noise=0.35)
    alone, helped = fit(rows), fit(rows, more=more)
    assert accuracy(helped.head, test) > accuracy(alone.head, test) + 0.03
    assert helped.notes == ("label_spreading: learned from 200 rows without label too",)


def test_without_such_rows_it_is_a_linear_probe_and_says_so():
    rows, test = blobs(30, seed=1), blobs(30, seed=2)
    found = fit(rows, heldout=test)
    probe = LinearProbe(regularisations=(10.0,)).fit(NO_BACKBONE, rows, heldout=test, setting=None, seed=0)
    for answers in found.heldout.values():
        np.testing.assert_allclose(answers, probe.heldout[10.0], atol=1e-12)
    assert found.notes == ("label_spreading: found no rows without label, so it is a linear probe on the labelled ones",)


def test_each_number_of_neighbours_is_predicted_and_a_setting_fits_that_one_alone():
    rows, more, test = blobs(30, seed=1), blobs(90, seed=2), blobs(30, seed=3)
    found, one = fit(rows, more=more, heldout=test), fit(rows, more=more, heldout=test, setting=5.0)
    assert list(found.heldout) == [5.0, 8.0]
    assert list(one.heldout) == [5.0]
    np.testing.assert_allclose(one.heldout[5.0], found.heldout[5.0], atol=1e-12)
    assert np.abs(found.heldout[8.0] - found.heldout[5.0]).max() > 1e-6


def test_no_more_rows_are_read_than_asked_for():
    rows = blobs(30, seed=1)
    found = fit(rows, more=blobs(90, seed=2), unlabelled_rows=40)
    assert found.notes == ("label_spreading: learned from 40 rows without label too",)


def test_fewer_rows_than_neighbours_are_enough():
    assert fit(blobs(3, seed=1), more=blobs(3, seed=2), neighbours=(50,)).head.classes == 3


def test_a_prior_head_draws_the_head_to_it():
    rows, more, test = blobs(6, seed=1), blobs(30, seed=2), blobs(300, seed=3)
    prior = fit(blobs(600, seed=4)).head
    drawn = fit(rows, more=more, regularisation=0.01, start=replace(NO_BACKBONE, prior=prior))
    free = fit(rows, more=more, regularisation=0.01)
    assert accuracy(drawn.head, test) >= accuracy(free.head, test)
    assert np.abs(drawn.head.weight - prior.weight).max() < np.abs(free.head.weight - prior.weight).max()


def test_inputs_are_left_as_they_were():
    rows, more = blobs(12, seed=1), blobs(40, seed=2)
    before = rows.features.copy(), rows.labels.copy(), more.features.copy()
    fit(rows, more=more, heldout=more)
    for was, now in zip(before, (rows.features, rows.labels, more.features), strict=True):
        np.testing.assert_array_equal(was, now)


WRONG = (
    {"alpha": 1.0}, {"alpha": 0.0}, {"neighbours": (0,)}, {"neighbours": ()}, {"unlabelled_rows": 0}, {"regularisation": 0.0},
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        method(**wrong)


def test_no_rule_takes_it():
    listed = [method(), LinearProbe(regularisations=(1.0,))]
    for rows in (20, 2000):
        assert choose_method(listed, Circumstances(rows, 4, None, 6, None, None)).method.name == "linear_probe"


def test_after_another_method_it_reads_the_features_of_the_changed_backbone(toy, make_method):
    first = make_method["last_layers"](epochs=2)
    alone = first.fit(toy.start, toy.train, heldout=None, setting=None, seed=0)
    found = fit(toy.train, more=toy.test, heldout=toy.test, start=toy.start, after=first)
    assert found.encoder is not None
    for name, weights in alone.encoder.model.state_dict().items():
        np.testing.assert_array_equal(found.encoder.model.state_dict()[name].numpy(), weights.numpy())
    features = found.encoder.embed(toy.test.inputs)
    np.testing.assert_allclose(np.exp(log_probabilities(features, found.head)), found.heldout[8.0], atol=1e-6)
    assert found.trainable_parameters == alone.trainable_parameters
    assert found.losses == alone.losses


def with_unused(prepared, texts):
    path = Path("target-unused.parquet")
    pd.DataFrame({"id": [str(n) for n in range(len(texts))], "input": texts, "label": "boats"}).to_parquet(path, index=False)
    file = RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(texts))
    target = prepared.target.model_copy(update={"splits": prepared.target.splits | {"unused": file}})
    return prepared.model_copy(update={"target": target})


def test_rows_equal_to_labelled_or_tested_ones_are_not_among_those_without_label(tiny_data, toy):
    known = [*pd.read_parquet("target-train.parquet")["input"][:2], *pd.read_parquet("target-test.parquet")["input"][:2]]
    given = with_unused(tiny_data, [*known, "a new one", "another", "another"])
    found = toy.encoder.unlabelled(given.target)
    assert sorted(found.inputs(10)) == ["a new one", "another"]
    assert found.inputs(1) == found.inputs(10)[:1]
    np.testing.assert_allclose(found.features(1)[0], found.features(10)[0], atol=1e-3)
    assert toy.encoder.unlabelled(with_unused(tiny_data, known).target) is None
    assert toy.encoder.unlabelled(tiny_data.target) is None


def test_a_model_learned_with_rows_without_label_says_so_and_counts_only_labelled_ones_as_learned(
    tiny_data, tiny_params, tiny_backbone, topic_texts
):
    nothing = TunedBackbone(
        source=None, backbone=str(tiny_backbone), method="none", model=None, matched_labels={}, rows=0, curves=(), seconds=0.0
    )
    prepared = with_unused(tiny_data, topic_texts(10, seed=9)[0])
    sections = {name: getattr(tiny_params, name) for name in ("data", "backbone", "seed")} | {"workspace": "w"}
    finetuning = tiny_params.finetuning.model_copy(update={"methods": (method(),)})
    trained = finetune(prepared, nothing, **sections, finetuning=finetuning, folder=Path("trained"))
    assert trained.method == "label_spreading"
    assert trained.notes == ("label_spreading: learned from 30 rows without label too",)
    assert len(training_hashes(Path(trained.model.path))) == prepared.target.splits["train"].rows
    assert Classifier.load(Path(trained.model.path)).predict(["a text"]).probabilities.shape == (1, 3)
    ladder = climb(
        prepared, nothing, trained, **sections, finetuning=finetuning, evaluation=tiny_params.evaluation, folder=Path("ladder")
    )
    assert "no_transfer" in ladder.rungs


def test_rows_without_label_of_a_group_that_is_tested_on_are_not_read(tiny_data, toy):
    given = with_unused(tiny_data, ["a new one", "another", "a third"])
    for split, groups in (("unused", ["ann", "bob", "eve"]), ("test", None), ("train", None)):
        path = Path(given.target.splits[split].path)
        rows = pd.read_parquet(path)
        rows.assign(group=groups or ["bob" if split == "test" else "eve"] * len(rows)).to_parquet(path, index=False)
    hashed = {name: file.model_copy(update={"sha256": sha256_of(Path(file.path))}) for name, file in given.target.splits.items()}
    found = toy.encoder.unlabelled(given.target.model_copy(update={"splits": hashed}))
    assert sorted(found.inputs(10)) == ["a new one", "a third"]
