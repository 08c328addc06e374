"""Records: saved as JSON, compared by content, and aware of damage to the files they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from rootstock.errors import DataError
from rootstock.records import RECORD_FILE, Artifact, GateVerdict, Incumbent, Ladder, load_json


@pytest.fixture
def ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ladder:
    monkeypatch.chdir(tmp_path)
    Path("files").mkdir()
    Path("files/predictions.parquet").write_bytes(b"rows")
    return Ladder(predictions=Artifact.of(Path("files")), rungs=("majority",), notes={"majority": "most frequent"}, seconds=1.5)


def test_a_saved_record_is_loaded_as_it_was(ladder):
    ladder.save(Path())
    assert Ladder.load(Path()) == ladder


def test_an_intact_record_has_no_damage(ladder):
    assert ladder.damage() == ()
    assert list(ladder.artifacts()) == [ladder.predictions]


def test_a_changed_file_is_damage(ladder):
    Path("files/predictions.parquet").write_bytes(b"rowz")
    assert ladder.damage() == ("files was changed",)


def test_a_file_more_is_damage(ladder):
    Path("files/other").write_bytes(b"")
    assert ladder.damage() == ("files was changed",)


def test_a_deleted_file_is_damage(ladder):
    Path("files/predictions.parquet").unlink()
    Path("files").rmdir()
    assert ladder.damage() == ("files is gone",)


def test_artifacts_are_found_inside_other_values(tiny_data):
    assert {Path(artifact.path).name for artifact in tiny_data.artifacts()} == {
        "target-train.parquet", "target-test.parquet", "related-train.parquet", "unrelated-train.parquet",
    }  # fmt: skip


def test_the_hash_is_free_of_place_and_time(ladder):
    moved = ladder.predictions.model_copy(update={"path": "elsewhere"})
    assert ladder.model_copy(update={"predictions": moved, "seconds": 99.0}).sha256() == ladder.sha256()


def test_the_hash_changes_with_what_is_said(ladder):
    assert ladder.model_copy(update={"rungs": ("linear_probe",)}).sha256() != ladder.sha256()
    other = ladder.predictions.model_copy(update={"sha256": "0" * 64})
    assert ladder.model_copy(update={"predictions": other}).sha256() != ladder.sha256()


def test_another_type_is_a_data_error(ladder):
    ladder.save(Path())
    with pytest.raises(DataError, match=r"record\.json: not a GateVerdict of this version; run the stage again"):
        GateVerdict.load(Path())


def test_a_missing_record_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"record\.json: expected a Ladder, found nothing"):
        Ladder.load(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe"], ids=["cut", "empty", "no text"])
def test_a_damaged_record_is_a_data_error(tmp_path, content):
    (tmp_path / RECORD_FILE).write_bytes(content)
    with pytest.raises(DataError, match="not a Ladder of this version"):
        Ladder.load(tmp_path)


def test_records_are_frozen_and_take_no_other_fields():
    nobody = Incumbent(version=None, model=None, run_key=None, earlier=())
    with pytest.raises(ValidationError, match="frozen"):
        nobody.version = "1"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Incumbent(version=None, model=None, run_key=None, earlier=(), alias="champion")


def test_broken_json_is_a_data_error_that_names_the_file(tmp_path):
    (tmp_path / "a.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.json: expected JSON, found .*; delete it and run again"):
        load_json(tmp_path / "a.json")
