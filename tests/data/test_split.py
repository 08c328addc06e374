"""Splits do not depend on row order, hold equal inputs together, and move little when rows arrive."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pandas as pd
import pytest
from rootstock.data.rows import make_frame
from rootstock.data.split import assign_splits, cap_rows


def frame_of(rows_per_label: dict[str, int], *, start: int = 0) -> pd.DataFrame:
    labels = [label for label, rows in rows_per_label.items() for _ in range(rows)]
    return make_frame([f"{label} text {start + n}" for n, label in enumerate(labels)], labels)


def splits_by_id(frame: pd.DataFrame, **changes) -> dict[str, str]:
    settings = {"seed": 0, "test_fraction": 0.5, "test_rows": None, "rows_per_class": None} | changes
    return dict(zip(frame["id"], assign_splits(frame, **settings), strict=True))


def counts(frame: pd.DataFrame, **changes) -> Counter:
    return Counter(zip(frame["label"], splits_by_id(frame, **changes).values(), strict=True))


def test_each_label_gives_its_share_to_the_test():
    found = counts(frame_of({"a": 40, "b": 10}), test_fraction=0.3)
    assert found == {("a", "test"): 12, ("a", "train"): 28, ("b", "test"): 3, ("b", "train"): 7}


def test_row_order_does_not_matter():
    frame = frame_of({"a": 30, "b": 20})
    assert splits_by_id(frame, rows_per_class=5) == splits_by_id(frame.sample(frac=1, random_state=3), rows_per_class=5)


def test_the_input_is_left_unchanged():
    frame = frame_of({"a": 5, "b": 5})
    before = frame.copy()
    assign_splits(frame, seed=0, test_fraction=0.5, test_rows=2, rows_per_class=2)
    pd.testing.assert_frame_equal(frame, before)


def test_another_seed_is_another_split():
    frame = frame_of({"a": 30, "b": 20})
    assert splits_by_id(frame) != splits_by_id(frame, seed=1)


@pytest.mark.parametrize("seed", range(5))
def test_equal_inputs_never_straddle(seed):
    texts = [f"Text  {n // 3}" if n % 2 else f"text {n // 3}" for n in range(60)]
    frame = make_frame(texts, ["a" if n < 30 else "b" for n in range(60)])
    sides: dict[str, set[str]] = {}
    for text, split in zip(texts, splits_by_id(frame, seed=seed).values(), strict=True):
        sides.setdefault(text.lower().replace("  ", " "), set()).add(split)
    assert all(len(found) == 1 for found in sides.values())
    assert {"train", "test"} == set().union(*sides.values())


def test_two_rows_a_class_give_one_to_each_side():
    assert counts(frame_of({"a": 2, "b": 2})) == {(label, split): 1 for label in "ab" for split in ("train", "test")}


def test_a_class_of_one_input_is_learned_from():
    frame = make_frame(["same", "Same", "x", "y"], ["a", "a", "b", "b"])
    assert counts(frame)["a", "train"] == 2


def test_inputs_that_are_one_in_normal_form_fall_on_one_side():
    texts = [f"caf\u00e9 {n}\u2026" for n in range(30)]
    frame = make_frame([*texts, *(unicodedata.normalize("NFKD", text) for text in texts)], ["a", "b"] * 30)
    splits = assign_splits(frame, seed=0, test_fraction=0.5, test_rows=None, rows_per_class=None)
    assert splits[:30] == splits[30:]
    assert {"train", "test"} == set(splits)


def test_caps_keep_the_rest_as_unused():
    found = counts(frame_of({"a": 40, "b": 20}), test_rows=9, rows_per_class=4)
    assert (found["a", "train"], found["b", "train"]) == (4, 4)
    assert (found["a", "test"], found["b", "test"]) == (6, 3)
    assert sum(found.values()) == 60


def test_rows_that_a_model_chose_are_learned_from_and_never_held_out():
    plain = frame_of({"a": 30, "b": 30})
    frame = plain.assign(split=["chosen" if n % 3 == 0 else "" for n in range(60)])
    found = splits_by_id(frame, test_fraction=0.5)
    chosen = set(frame.loc[frame["split"] == "chosen", "id"])
    assert {found[name] for name in chosen} == {"train"}
    assert Counter(found[name] for name in set(found) - chosen) == {"train": 20, "test": 20}


def test_chosen_rows_beside_declared_test_rows_are_learned_from():
    frame = frame_of({"a": 4, "b": 4}).assign(split=["train", "test", "unlabelled", "chosen"] * 2)
    assert list(splits_by_id(frame).values()) == ["train", "test", "unused", "train"] * 2


def test_declared_splits_are_honoured_and_others_are_unused():
    frame = frame_of({"a": 4, "b": 4}).assign(split=["train", "test", "validation", "train"] * 2)
    assert list(splits_by_id(frame).values()) == ["train", "test", "unused", "train"] * 2


def test_a_declared_train_alone_gives_a_test():
    frame = frame_of({"a": 10, "b": 10}).assign(split=["train"] * 8 + ["unlabelled"] * 2 + ["train"] * 10)
    assert Counter(splits_by_id(frame).values()) == {"train": 9, "test": 9, "unused": 2}


def test_labelled_rows_never_become_test_rows_when_rows_arrive():
    first = frame_of({"a": 60, "b": 60})
    more = pd.concat([first, frame_of({"a": 40, "b": 40}, start=1000)])
    before, after = splits_by_id(first, rows_per_class=12), splits_by_id(more, rows_per_class=12)
    assert not [row for row in first["id"] if before[row] == "train" and after[row] == "test"]
    stayed = sum(after[row] == "test" for row in first["id"] if before[row] == "test")
    assert stayed >= 50  # of 60; drawing anew would keep about 30


def test_capping_keeps_proportions_and_repeats():
    frame = frame_of({"a": 60, "b": 30, "c": 10})
    capped = cap_rows(frame, seed=0, rows=20)
    assert Counter(capped["label"]) == {"a": 12, "b": 6, "c": 2}
    pd.testing.assert_frame_equal(capped, cap_rows(frame.iloc[::-1], seed=0, rows=20))


def test_capping_below_the_number_of_labels_still_gives_that_many():
    assert len(cap_rows(frame_of({"a": 5, "b": 5, "c": 5}), seed=0, rows=2)) == 2


def test_a_rare_label_survives_the_cap():
    assert Counter(cap_rows(frame_of({"a": 500, "b": 1}), seed=0, rows=10)["label"]) == {"a": 9, "b": 1}
