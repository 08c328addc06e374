"""Images that cannot be opened are counted and named."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from PIL import Image
from rootstock.records import Dataset, DatasetRevision
from rootstock.validation.readable_images import ReadableImages


def png(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (6, 6), grey).save(buffer, format="PNG")
    return buffer.getvalue()


def dataset(modality: str) -> Dataset:
    revision = DatasetRevision(dataset="d", revision="d/v1", git_sha="a" * 40, md5="b" * 32)
    return Dataset(name="d", modality=modality, revision=revision, splits={}, labels=("x",), class_counts={}, contamination=None)


def frame(inputs: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"r{n}" for n in range(len(inputs))], "input": pd.Series(inputs, dtype="object")})


def test_empty_truncated_and_missing_images_are_named_and_counted():
    rows = frame([png(1), b"", png(2)[:40], None, png(3)])
    found = ReadableImages(max_share=0.0).inspect(rows, dataset("image"))
    assert (found.passed, found.failing, found.failing_rows) == (False, 3, ("r1", "r2", "r3"))
    assert found.reason.startswith("3 of 5 images cannot be read (60.0%; at most 0.0% allowed): r1 (0 bytes), r2 (")


@pytest.mark.parametrize(("max_share", "passed"), [(0.25, True), (0.2, False)])
def test_the_share_allowed_is_the_greatest_that_passes(max_share, passed):
    rows = frame([png(1), png(2), png(3), b"no image"])
    assert ReadableImages(max_share=max_share).inspect(rows, dataset("image")).passed is passed


def test_whole_images_pass_and_stay_as_they_are():
    rows = frame([png(1), png(2)])
    before = rows.copy(deep=True)
    assert ReadableImages(max_share=0.0).inspect(rows, dataset("image")).passed
    pd.testing.assert_frame_equal(rows, before)


def test_texts_are_not_opened():
    found = ReadableImages(max_share=0.0).inspect(frame(["a", "b"]), dataset("text"))
    assert (found.passed, found.failing) == (True, 0)
