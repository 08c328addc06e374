"""Choosing a method and its setting by cross-validation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from rootstock.classifier import input_hash
from rootstock.errors import DataError
from rootstock.finetuning.crossvalidate import Option, score_options, stratified_folds, take, unseen_rows
from rootstock.head import Head
from rootstock.part import FineTuneMethod, Fitted, Rows, Start
from rootstock.records import Artifact, MethodScore

NEVER_LOADED = Start(lambda: pytest.fail("loaded"), 2, None)


class Spy(FineTuneMethod):
    """Says how sure it is of the right class, and writes down what it was given."""

    name: Literal["spy"] = "spy"
    setting_unit: ClassVar[str] = "epochs"
    sure: dict[float, float]
    calls: list[Any]

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        assert heldout is not None
        self.calls.append((set(rows.inputs), set(heldout.inputs), seed))
        right = np.eye(start.classes)[heldout.labels]
        predicted = {s: right * p + (1 - right) * (1 - p) / (start.classes - 1) for s, p in self.sure.items()}
        return Fitted(Head(np.zeros((2, 1)), np.zeros(2)), None, predicted, (), 4)


def rows(labels):
    labels = np.array(labels)
    return Rows([f"row {i}" for i in range(len(labels))], labels, np.arange(len(labels), dtype=float)[:, None])


def option(sure, labels=(0, 1) * 6):
    return Option(Spy(sure=sure, calls=[]), None, NEVER_LOADED, rows(labels))


def everyone(n=12):
    return np.ones(n, dtype=bool)


def test_held_out_rows_are_never_fitted_on_and_each_row_is_held_out_once():
    chosen = option({1.0: 0.8})
    score_options([chosen], folds=3, seed=0, eligible=everyone())
    heldout = [name for _, held, _ in chosen.method.calls for name in held]
    assert sorted(heldout) == sorted(chosen.rows.inputs)
    assert all(not fitted & held for fitted, held, _ in chosen.method.calls)
    assert all(len(fitted | held) == 12 for fitted, held, _ in chosen.method.calls)


def test_every_option_sees_the_same_folds_and_seeds():
    one, two = option({1.0: 0.8}), option({1.0: 0.6})
    score_options([one, two], folds=3, seed=0, eligible=everyone())
    assert one.method.calls == two.method.calls


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_are_stratified(folds):
    labels = np.array([0] * 20 + [1] * 10)
    for train, heldout in stratified_folds(labels, folds=folds, seed=0):
        np.testing.assert_array_equal(np.bincount(labels[heldout]), [20 // folds, 10 // folds])
        np.testing.assert_array_equal(np.sort(np.r_[train, heldout]), np.arange(30))


def test_folds_are_the_same_for_the_same_seed_and_others_for_another():
    labels = np.array([0] * 20 + [1] * 10)
    first, again, other = ([held.tolist() for _, held in stratified_folds(labels, folds=5, seed=seed)] for seed in (0, 0, 1))
    assert first == again != other


def test_a_small_class_makes_fewer_folds():
    assert len(stratified_folds(np.array([0] * 9 + [1] * 2), folds=4, seed=0)) == 2


def test_a_class_with_one_row_is_a_data_error():
    with pytest.raises(DataError, match="expected at least 2 labelled rows in each class, found a class with 1; label one more"):
        stratified_folds(np.array([0, 0, 0, 1]), folds=2, seed=0)


def test_the_lowest_loss_comes_first_and_its_setting_is_chosen():
    worse, better = option({1.0: 0.6, 2.0: 0.7}), option({1.0: 0.5, 2.0: 0.9, 3.0: 0.8})
    found = score_options([worse, better], folds=3, seed=0, eligible=everyone())
    assert [score.option for score in found] == [better, worse]
    assert found[0].setting == 2.0
    assert found[0].log_loss == pytest.approx(-np.log(0.9))
    assert found[0].heldout_losses == pytest.approx({1.0: -np.log(0.5), 2.0: -np.log(0.9), 3.0: -np.log(0.8)})


def test_the_record_has_accuracy_with_wilsons_interval_and_the_epochs():
    record = score_options([option({2.0: 0.9})], folds=3, seed=0, eligible=everyone())[0].record
    assert (record.accuracy.value, record.accuracy.n, record.accuracy.higher_is_better) == (1.0, 12, True)
    # Wilson, 12 of 12: 1 / (1 + z^2 / n).
    assert record.accuracy.low == pytest.approx(1 / (1 + 1.959964**2 / 12), abs=1e-6)
    assert record.log_loss.higher_is_better is False
    assert record.epochs == 2


def test_a_method_whose_setting_is_no_epoch_reports_none():
    class Penalised(Spy):
        setting_unit: ClassVar[str] = "inverse penalty"

    chosen = Option(Penalised(sure={10.0: 0.9}, calls=[]), None, NEVER_LOADED, rows((0, 1) * 6))
    assert score_options([chosen], folds=3, seed=0, eligible=everyone())[0].record.epochs is None


class Impatient(Spy):
    """Ends its first fold after the second of four epochs, its worst."""

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        fitted = super().fit(start, rows, heldout=heldout, setting=setting, seed=seed)
        ended = len(self.calls) == 1
        return replace(fitted, heldout={epoch: said for epoch, said in fitted.heldout.items() if not ended or epoch <= 2})


def impatient():
    sure = {1.0: 0.7, 2.0: 0.6, 3.0: 0.9, 4.0: 0.8}
    return Option(Impatient(sure=sure, calls=[]), None, NEVER_LOADED, rows((0, 1) * 6))


def test_a_fold_that_ended_early_answers_later_epochs_as_after_its_last():
    found = score_options([impatient()], folds=2, seed=0, eligible=everyone())[0]
    assert found.heldout_losses == pytest.approx({
        1.0: -np.log(0.7), 2.0: -np.log(0.6), 3.0: -np.log(0.6 * 0.9) / 2, 4.0: -np.log(0.6 * 0.8) / 2,
    })  # fmt: skip


def test_an_epoch_after_the_end_of_a_fold_can_be_chosen():
    assert score_options([impatient()], folds=2, seed=0, eligible=everyone())[0].setting == 3.0


def test_only_eligible_rows_are_scored():
    class Parrot(Spy):
        """Right only for the first six rows: it has learned from them before."""

        def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
            known = heldout.features[:, 0] < 6
            right = np.eye(2)[np.where(known, heldout.labels, 1 - heldout.labels)]
            return Fitted(Head(np.zeros((2, 1)), np.zeros(2)), None, {1.0: right * 0.8 + 0.1}, (), 4)

    chosen = Option(Parrot(sure={}, calls=[]), None, NEVER_LOADED, rows((0, 1) * 6))
    eligible = np.arange(12) >= 6
    record = score_options([chosen], folds=3, seed=0, eligible=eligible)[0].record
    assert (record.accuracy.value, record.accuracy.n) == (0.0, 6)
    assert score_options([chosen], folds=3, seed=0, eligible=everyone())[0].record.accuracy.value == 0.5


def test_a_score_of_one_row_can_be_written_and_read_again():
    eligible = np.arange(12) == 3
    record = score_options([option({1.0: 0.8})], folds=3, seed=0, eligible=eligible)[0].record
    assert MethodScore.model_validate_json(record.model_dump_json()) == record


def test_a_single_row_says_nothing_of_the_mean_log_loss():
    eligible = np.arange(12) == 3
    found = score_options([option({1.0: 0.8})], folds=3, seed=0, eligible=eligible)[0].record.log_loss
    assert (found.value, found.n) == (pytest.approx(-np.log(0.8)), 1)
    assert (found.low, found.high) == (0.0, pytest.approx(-np.log(1e-12)))


def test_taking_rows_takes_inputs_labels_and_features_alike():
    taken = take(rows((0, 1, 0, 1)), np.array([3, 0]))
    assert taken.inputs == ["row 3", "row 0"]
    np.testing.assert_array_equal(taken.labels, [1, 0])
    np.testing.assert_array_equal(taken.features, [[3.0], [0.0]])


def test_rows_of_one_group_are_held_out_together_and_keep_their_group_when_some_are_taken():
    chosen = option({1.0: 0.8})
    groups = {name: number // 2 for number, name in enumerate(chosen.rows.inputs)}
    chosen = replace(chosen, rows=replace(chosen.rows, groups=np.array(list(groups.values()))))
    score_options([chosen], folds=3, seed=0, eligible=everyone())
    for fitted, held, _ in chosen.method.calls:
        assert not {groups[name] for name in fitted} & {groups[name] for name in held}
    assert take(chosen.rows, np.array([11, 0])).groups.tolist() == [5, 0]


def test_a_row_of_a_group_that_the_start_has_learned_from_is_not_scored(tmp_path):
    given = replace(rows([0, 1] * 6), groups=np.array([0] * 4 + list(range(1, 9))))
    (tmp_path / "training_rows.json").write_text(json.dumps([input_hash(given.inputs[2])]))
    assert unseen_rows(given, Artifact.of(tmp_path)).tolist() == [False] * 4 + [True] * 8


def test_intervals_of_a_method_are_wider_where_rows_of_a_group_are_alike():
    plain = option({1.0: 0.8})
    grouped = replace(plain, rows=replace(plain.rows, groups=np.arange(12) // 2))
    (alone,), (together,) = (score_options([each], folds=2, seed=0, eligible=everyone()) for each in (plain, grouped))
    assert together.record.accuracy.low < alone.record.accuracy.low
    assert together.log_loss == pytest.approx(alone.log_loss)
