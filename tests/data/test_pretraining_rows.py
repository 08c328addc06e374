"""What a backbone is trained on from nothing: never the target, nor copies of its test rows."""

from __future__ import annotations

import pytest
from rootstock.data import registry
from rootstock.data.card import make_card
from rootstock.data.prepare import split_target
from rootstock.data.pretraining import pretraining_rows
from rootstock.data.rows import make_frame
from rootstock.errors import DataError


def texts(prefix: str, rows: int) -> list[str]:
    """Texts of which no two are near copies: every word has the row's number in it."""
    return [" ".join(f"{prefix}{word}{n * 37 % 101}x{n}" for word in ("amber", "birch", "cedar", "delta")) for n in range(rows)]


def frame(inputs: list[str], **columns: list[str]):
    return make_frame(inputs, ["odd" if n % 2 else "even" for n in range(len(inputs))], **columns)


@pytest.fixture
def data(tmp_path, data_params):
    """A registry with a target of 40 rows and a source of 60, and the params that name them."""
    params = data_params(registry=str(tmp_path / "registry"), target="target", sources=[])
    for name, rows in (("target", frame(texts("one", 40))), ("source", frame(texts("two", 60)))):
        add(params, name, rows)
    return params


def add(params, name, rows, **card):
    from pathlib import Path

    registry.add(Path(params.registry), name, rows, card=make_card(rows, modality="text", origin="made here", **card))


def test_each_label_is_held_out_in_its_share_and_no_row_stands_on_both_sides(data):
    found = pretraining_rows("source", data=data, heldout=0.2, seed=0)
    assert (len(found.train), len(found.heldout)) == (48, 12)
    assert found.heldout["label"].value_counts().to_dict() == {"even": 6, "odd": 6}
    assert not set(found.train["input"]) & set(found.heldout["input"])
    assert found.labels == ("even", "odd")


def test_a_declared_test_split_is_held_out(data):
    add(data, "declared", frame(texts("three", 20), splits=["train"] * 14 + ["test"] * 6))
    found = pretraining_rows("declared", data=data, heldout=0.5, seed=0)
    assert sorted(found.heldout["input"]) == sorted(texts("three", 20)[14:])


def test_copies_of_the_targets_test_rows_are_dropped(data):
    from pathlib import Path

    path = Path(data.registry)
    rows, splits = split_target(path, registry.resolve(path, "target", "latest"), data=data, seed=0)
    tested = rows["input"][[split == "test" for split in splits]].tolist()
    add(data, "copier", frame([*texts("four", 30), *tested[:8]]))
    found = pretraining_rows("copier", data=data, heldout=0.2, seed=0)
    assert (found.contamination.exact, found.target.revision) == (8, "target/v1")
    assert not set(tested) & {*found.train["input"], *found.heldout["input"]}


def test_without_a_target_nothing_is_compared_and_the_licence_comes_along(tmp_path, data_params):
    params = data_params(registry=str(tmp_path / "alone"), target="target", sources=[])
    add(params, "source", frame(texts("two", 20)), licence="MIT")
    found = pretraining_rows("source/v1", data=params, heldout=0.2, seed=0)
    assert (found.contamination, found.target) == (None, None)
    assert (found.licence, found.revision.revision) == ("MIT", "source/v1")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("target", "expected a source to pretrain on, found 'target', the target"),
        ("target/v1", "found 'target', the target"),
        ("sorce", "unknown dataset 'sorce'; known: source, target; did you mean 'source'"),
        ("source/v9", "unknown revision 'source/v9'"),
    ],
)
def test_what_cannot_be_learned_from_is_told(data, source, told):
    with pytest.raises(DataError, match=told):
        pretraining_rows(source, data=data, heldout=0.2, seed=0)


def test_a_source_of_another_modality_is_refused(data):
    images = data.model_copy(update={"modality": data.modality.model_copy(update={"name": "image"})})
    with pytest.raises(DataError, match=r"source/v1: expected data of modality image as data.modality says, found text"):
        pretraining_rows("source", data=images, heldout=0.2, seed=0)
