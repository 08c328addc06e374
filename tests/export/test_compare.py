from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rootstock.errors import Refusal
from rootstock.export.compare import Answers, Reference, compare, refuse_loss, refuse_other_answers, share
from rootstock.export.figures import ExportedFormat

CLASSES = ("a", "b")


def rows(*first: float) -> np.ndarray:
    """(n, 2) from the probabilities of class a."""
    return np.array([[value, 1 - value] for value in first])


def held(
    tmp_path: Path, before: np.ndarray, after: np.ndarray, labels: list[str] | None = None, batched: np.ndarray | None = None
) -> ExportedFormat:
    folder = tmp_path / "onnx"
    folder.mkdir(exist_ok=True)
    (folder / "model").write_bytes(b"x" * (1 << 20))
    (folder / "labels").write_bytes(b"x" * (1 << 19))
    answers = Answers(
        classes=CLASSES, alone=after, picked=np.arange(len(after)), batched=after if batched is None else batched,
        milliseconds=np.array([1.0, 2.0, 30.0]), packages={},
    )  # fmt: skip
    return compare("onnx", folder, Reference(CLASSES, before, labels), answers, confidence=0.95)


def test_equal_labels_and_differences_are_counted_row_by_row(tmp_path: Path) -> None:
    found = held(tmp_path, rows(0.9, 0.6, 0.2, 0.1), rows(0.9, 0.3, 0.2, 0.1))
    assert (found.equal_labels.value, found.equal_labels.n) == (0.75, 4)
    assert found.largest_difference == pytest.approx(0.3)
    assert (found.accuracy, found.points_lost) == (None, None)


def test_points_lost_are_positive_where_the_export_is_worse(tmp_path: Path) -> None:
    before, after = rows(0.9, 0.6, 0.2, 0.1), rows(0.9, 0.3, 0.2, 0.1)
    worse, better = held(tmp_path, before, after, ["a", "a", "b", "b"]), held(tmp_path, before, after, ["a", "b", "b", "b"])
    assert worse.points_lost is not None
    assert better.points_lost is not None
    assert (worse.points_lost.value, better.points_lost.value) == (25.0, -25.0)
    assert worse.accuracy == share(np.array([True, False, True, True]), confidence=0.95)


def test_the_middle_row_gives_the_milliseconds_and_all_files_the_size(tmp_path: Path) -> None:
    found = held(tmp_path, rows(0.9, 0.8, 0.7), rows(0.9, 0.8, 0.7))
    assert (found.milliseconds_per_row, found.mib) == (2.0, 1.5)


def test_the_interval_of_a_share_is_wilsons() -> None:
    """81 of 263: Newcombe, Statistics in Medicine 17, 1998, table I, method 3."""
    found = share(np.arange(263) < 81, confidence=0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(
    ("after", "batched", "said"),
    [
        (rows(0.9, 0.6, 0.7), None, r"at least 99\.9% of 3 rows, found another on 1"),
        (rows(0.9, 0.6, 0.3), None, "within 0.001 of the tested model, found a difference of 0.1"),
        (rows(0.9, 0.6, 0.2), rows(0.9, 0.6, 0.25), "within 0.001 of the same rows in batches, found a difference of 0.05"),
    ],
    ids=["another label", "another probability", "another answer in a batch"],
)
def test_a_format_in_fp32_must_answer_as_the_tested_model(
    tmp_path: Path, after: np.ndarray, batched: np.ndarray | None, said: str
) -> None:
    found = held(tmp_path, rows(0.9, 0.6, 0.2), after, batched=batched)
    with pytest.raises(Refusal, match=said):
        refuse_other_answers(found)


def test_float_rounding_is_no_other_answer(tmp_path: Path) -> None:
    refuse_other_answers(held(tmp_path, rows(0.9, 0.6, 0.2), rows(0.9, 0.6, 0.2) + 1e-6))


def test_a_loss_at_the_limit_is_allowed_and_above_it_is_not(tmp_path: Path) -> None:
    found = held(tmp_path, rows(0.9, 0.6, 0.2, 0.1), rows(0.9, 0.3, 0.2, 0.1), ["a", "a", "b", "b"])
    refuse_loss(found, max_loss_points=25.0)
    with pytest.raises(Refusal, match=r"at most 24\.9 points, found 25\.0 points of accuracy"):
        refuse_loss(found, max_loss_points=24.9)


def test_without_labels_every_changed_label_counts_as_lost(tmp_path: Path) -> None:
    found = held(tmp_path, rows(0.9, 0.6, 0.2, 0.1), rows(0.9, 0.3, 0.2, 0.1))
    refuse_loss(found, max_loss_points=25.0)
    with pytest.raises(Refusal, match="whether they were right is not known"):
        refuse_loss(found, max_loss_points=10.0)


@pytest.mark.parametrize("place", ["alone", "batched"])
def test_probabilities_that_are_no_numbers_are_refused(tmp_path: Path, place: str) -> None:
    good, broken = rows(0.9, 0.6, 0.2), rows(0.9, np.nan, 0.2)
    given: dict[str, Any] = {"after": broken} if place == "alone" else {"after": good, "batched": broken}
    with pytest.raises(Refusal, match="not finite in 1 of 3 rows, first row 2" if place == "alone" else "not finite in batches"):
        held(tmp_path, good, **given)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    answers = Answers(("b", "a"), rows(0.5), np.array([0]), rows(0.5), np.array([1.0]), {})
    with pytest.raises(Refusal, match="expected classes a, b, found b, a"):
        compare("merged", tmp_path, Reference(CLASSES, rows(0.5), None), answers, confidence=0.95)
