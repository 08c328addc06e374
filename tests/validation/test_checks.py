"""Each check passes on clean rows, fails on the fault it is for, and names the rows."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError
from rootstock.part import Check, members, parse_part
from rootstock.records import CheckResult, Dataset
from validation_rows import frame, texts

MakeDataset = Callable[..., Dataset]
CHECKS = {
    "row_minimum": {"rows": 10},
    "class_minimum": {"rows": 2},
    "label_set": {"min_classes": 2},
    "input_length": {"min_characters": 3, "max_characters": 100, "max_share": 0.01},
    "duplicates": {"max_share": 0.05},
    "leakage": {"similarity": 0.9, "max_share": 0.02},
    "readable_images": {"max_share": 0.0},
}


def run(name: str, rows: pd.DataFrame, dataset: Dataset, **changed: object) -> CheckResult:
    return parse_part(Check, {"name": name, **CHECKS[name], **changed}).inspect(rows, dataset)


def clean(count: int = 40) -> pd.DataFrame:
    half = count // 2
    return frame(texts(count), ["bug", "wish"] * half, split=["train"] * half + ["test"] * half)


def test_every_check_of_the_brief_is_found_by_name() -> None:
    assert sorted(members(Check)) == sorted(CHECKS)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_clean_rows_pass(name: str, make_dataset: MakeDataset) -> None:
    rows = clean()
    result = run(name, rows, make_dataset(rows))
    assert result.passed, result.reason
    assert (result.failing, result.rows, result.failing_rows) == (0, 40, ())


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_rows_are_left_unchanged(name: str, make_dataset: MakeDataset) -> None:
    rows = clean()
    before = rows.copy(deep=True)
    run(name, rows, make_dataset(rows))
    pd.testing.assert_frame_equal(rows, before)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_order_of_the_rows_does_not_change_the_verdict_or_the_numbers(name: str, make_dataset: MakeDataset) -> None:
    rows = clean()
    rows.loc[3, "input"] = rows.loc[2, "input"]
    rows.loc[30, "input"] = rows.loc[4, "input"]
    dataset = make_dataset(rows)
    shuffled = rows.sample(frac=1, random_state=0)
    first, second = run(name, rows, dataset), run(name, shuffled, dataset)
    assert (first.passed, first.failing, first.reason) == (second.passed, second.failing, second.reason)


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - {"readable_images"}))
def test_images_are_judged_without_being_decoded(name: str, make_dataset: MakeDataset) -> None:
    rows = clean().assign(input=[f"png {i}".encode() for i in range(40)])
    assert run(name, rows, make_dataset(rows, modality="image")).passed


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_one_row_gives_an_answer_and_no_crash(name: str, make_dataset: MakeDataset) -> None:
    rows = frame(texts(1), ["bug"])
    assert run(name, rows, make_dataset(rows)).reason


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_no_rows_give_an_answer_and_no_crash(name: str, make_dataset: MakeDataset) -> None:
    empty = clean().iloc[:0]
    result = run(name, empty, make_dataset(clean()))
    assert result.passed is (name in {"input_length", "duplicates", "leakage", "readable_images"})


def test_too_few_rows_in_one_split_fail(make_dataset: MakeDataset) -> None:
    rows = frame(texts(14), ["bug", "wish"] * 7, split=["train"] * 10 + ["test"] * 4)
    result = run("row_minimum", rows, make_dataset(rows))
    assert not result.passed
    assert result.reason == (
        "train has 10 rows, test has 4 rows; at least 10 were expected in each; "
        "add labelled rows, or lower 'rows' of row_minimum in validation.checks"
    )
    assert result.failing_rows == ("r10", "r11", "r12", "r13")


def test_an_unused_split_needs_no_rows(make_dataset: MakeDataset) -> None:
    rows = frame(texts(11), ["bug"] * 11, split=["train"] * 10 + ["unused"])
    assert run("row_minimum", rows, make_dataset(rows)).passed


def test_a_class_with_one_training_row_fails_and_is_named(make_dataset: MakeDataset) -> None:
    rows = frame(texts(6), ["bug", "bug", "wish", "wish", "praise", "praise"], split=["train"] * 5 + ["test"])
    result = run("class_minimum", rows, make_dataset(rows))
    assert not result.passed
    assert "'praise' has 1" in result.reason
    assert result.failing_rows == ("r4",)


def test_rows_are_not_gone_through_for_each_class_when_classes_are_many(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared, equal = [], pd.Series.__eq__
    monkeypatch.setattr(pd.Series, "__eq__", lambda self, other: compared.append(other) or equal(self, other))
    rows = frame(texts(100), [f"class {number % 50}" for number in range(100)], split=["train"] * 100)
    assert run("class_minimum", rows, make_dataset(rows)).passed
    assert len(compared) < 10


def test_a_class_only_in_the_test_split_fails(make_dataset: MakeDataset) -> None:
    rows = frame(texts(5), ["bug", "bug", "wish", "wish", "praise"], split=["train"] * 4 + ["test"])
    assert "'praise' has 0" in run("class_minimum", rows, make_dataset(rows)).reason


@pytest.mark.parametrize("variant", ["Bug", "bug ", " bug", "BUG"])
def test_labels_that_differ_only_in_case_or_blanks_fail(variant: str, make_dataset: MakeDataset) -> None:
    rows = frame(texts(6), ["bug", "bug", "bug", "wish", "wish", variant])
    result = run("label_set", rows, make_dataset(rows))
    assert not result.passed
    assert result.failing_rows == ("r5",)
    assert repr(variant) in result.reason


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_missing_or_blank_label_fails(blank: str | None, make_dataset: MakeDataset) -> None:
    rows = frame(texts(5), ["bug", "bug", "wish", "wish", blank])
    result = run("label_set", rows, make_dataset(rows))
    assert not result.passed
    assert result.failing_rows == ("r4",)


def test_rows_that_are_neither_learned_nor_tested_by_their_label_need_none(make_dataset: MakeDataset) -> None:
    rows = frame(texts(6), ["bug", "bug", "wish", "wish", "", ""], split=["train"] * 4 + ["unused"] * 2)
    result = run("label_set", rows, make_dataset(rows))
    assert result.passed
    assert result.failing == 0
    assert result.reason == "2 classes in train, each with one spelling; 2 more rows have no label"


def test_one_class_fails(make_dataset: MakeDataset) -> None:
    rows = frame(texts(5), ["bug"] * 5)
    assert "train has 1 classes, at least 2" in run("label_set", rows, make_dataset(rows)).reason


def test_texts_outside_the_length_limits_are_counted_on_both_sides(make_dataset: MakeDataset) -> None:
    rows = frame([*texts(97), "ab", "   ab   ", "y" * 101], ["bug"] * 100)
    result = run("input_length", rows, make_dataset(rows))
    assert not result.passed
    assert result.failing_rows == ("r97", "r98", "r99")
    assert result.reason.startswith("2 of 100 texts are shorter than 3 characters, 1 longer than 100 (3.0%")
    assert run("input_length", rows, make_dataset(rows), max_share=0.03).passed


def test_a_missing_text_is_too_short(make_dataset: MakeDataset) -> None:
    rows = frame(["fine text", None], ["bug"] * 2)
    assert run("input_length", rows, make_dataset(rows)).failing_rows == ("r1",)


def test_length_limits_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="min_characters <= max_characters"):
        parse_part(Check, {"name": "input_length", "min_characters": 9, "max_characters": 3, "max_share": 0.1})


def test_duplicates_ignore_case_and_blanks_and_stay_within_a_split(make_dataset: MakeDataset) -> None:
    inputs = ["The array", "the  ARRAY ", "the array", "the array"]
    rows = frame(inputs, ["bug", "bug", "wish", "bug"], split=["train", "train", "train", "test"])
    result = run("duplicates", rows, make_dataset(rows))
    assert result.failing_rows == ("r1", "r2")
    assert result.reason == (
        "2 of 4 rows repeat an earlier input of their split (50.0%; at most 5.0% allowed), 1 of them with another label"
    )


def test_repeats_among_rows_that_are_not_used_do_not_count(make_dataset: MakeDataset) -> None:
    rows = frame([*texts(20), *["hello"] * 30], ["bug", "wish"] * 25, split=["train"] * 20 + ["unused"] * 30)
    result = run("duplicates", rows, make_dataset(rows))
    assert result.passed
    assert result.reason.startswith("0 of 20 rows repeat")


def test_at_most_twenty_failing_rows_are_named(make_dataset: MakeDataset) -> None:
    rows = frame(["same text"] * 50, ["bug"] * 50)
    result = run("duplicates", rows, make_dataset(rows))
    assert (result.failing, len(result.failing_rows)) == (49, 20)


def test_exact_and_near_copies_of_test_rows_in_train_leak(make_dataset: MakeDataset) -> None:
    long = " ".join(texts(5))
    rows = frame(
        [long, "short text here", *texts(8, start=50), long + "!", "Short  TEXT here", *texts(8, start=90)],
        ["bug"] * 20,
        split=["train"] * 10 + ["test"] * 10,
    )
    result = run("leakage", rows, make_dataset(rows))
    assert not result.passed
    assert result.failing_rows == ("r10", "r11")
    assert result.reason.startswith("1 of 10 test rows are also training rows, 1 more nearly so")


def test_equal_image_bytes_leak_and_other_bytes_do_not(make_dataset: MakeDataset) -> None:
    rows = frame([b"one", b"two", b"one", b"three"], ["a"] * 4, split=["train", "train", "test", "test"])
    result = run("leakage", rows, make_dataset(rows, modality="image"))
    assert result.failing_rows == ("r2",)


def test_an_image_that_was_encoded_again_leaks_nearly_and_another_one_does_not(make_dataset: MakeDataset) -> None:
    def picture(seed: int, kind: str) -> bytes:
        buffer = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, format=kind, **({"quality": 95} if kind == "JPEG" else {}))
        return buffer.getvalue()

    rows = frame(
        [picture(1, "PNG"), picture(2, "PNG"), picture(1, "JPEG"), picture(3, "PNG"), b"no image"], ["a"] * 5,
        split=["train", "train", "test", "test", "test"],
    )  # fmt: skip
    result = run("leakage", rows, make_dataset(rows, modality="image"))
    assert result.failing_rows == ("r2",)
    assert result.reason.startswith("0 of 3 test rows are also training rows, 1 more nearly so")
