"""The decision report as a file."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rootstock.errors import DataError
from rootstock.files import sha256_of
from rootstock.records import Incumbent
from rootstock.report.predictions import SHOWN_IMAGE_BYTES
from rootstock.report.write import SECTIONS, SHOWN_MISTAKES, SHOWN_ROWS, write_report


def test_the_same_run_gives_the_same_bytes(build_run, tmp_path: Path) -> None:
    run = build_run()
    (tmp_path / "again").mkdir()
    first = write_report(run, task="docs", folder=tmp_path)
    assert write_report(run, task="docs", folder=tmp_path / "again").html.sha256 == first.html.sha256


def test_the_record_names_the_file_by_its_hash(build_run, tmp_path: Path) -> None:
    report = write_report(build_run(), task="docs", folder=tmp_path)
    assert report.html.sha256 == sha256_of(tmp_path / "report.html")


def test_every_section_of_a_whole_run_is_there(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    ids = {attributes.get("id") for attributes in parse(tmp_path / "report.html").named("section")}
    assert ids == {anchor for anchor, _, _ in SECTIONS}


def test_every_link_of_the_navigation_has_its_target(build_run, early, parse, tmp_path: Path) -> None:
    for name, run in (("whole", build_run()), ("early", build_run(**early))):
        (tmp_path / name).mkdir()
        write_report(run, task="docs", folder=tmp_path / name)
        page = parse(tmp_path / name / "report.html")
        ids = {attributes.get("id") for _, attributes in page.tags}
        assert all(link["href"][1:] in ids for link in page.named("a"))


def test_nothing_is_fetched(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    page = parse(tmp_path / "report.html")
    fetched = [
        value for _, attributes in page.tags for key, value in attributes.items() if key in {"src", "href", "srcset", "action"}
    ]
    assert all(value.startswith(("#", "data:")) for value in fetched)
    assert "url(" not in page.style
    assert "@import" not in page.style


def test_hostile_text_stays_text(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(), task='docs"><script>alert(1)</script>', folder=tmp_path)
    page = parse(tmp_path / "report.html")
    assert page.unbalanced == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "i onerror", "iframe", "object", "form"})
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert '<script>alert("label")</script>' in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "alert('params')" in page.text


def test_control_characters_and_reordering_marks_are_taken_out(build_run, tmp_path: Path) -> None:
    write_report(build_run(), task="do\x00cs\u202e", folder=tmp_path)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", (tmp_path / "report.html").read_text(encoding="utf-8"))


def test_the_page_stays_small(build_run, tmp_path: Path) -> None:
    write_report(build_run(inputs=lambda row: "word " * 2_000), task="docs", folder=tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 200_000


def test_a_run_that_failed_validation_says_so_and_what_it_did_not_reach(
    build_run, early, failed_validation, parse, tmp_path: Path
) -> None:
    write_report(build_run(validation=failed_validation, **early), task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert "Nothing was trained" in text
    assert "16.1 % of the rows repeat another" in text
    assert "did not get to: gates, where to learn from, learning" in text


def test_a_run_without_change_renders_from_two_records(build_run, early, parse, tmp_path: Path) -> None:
    run = build_run(**early)
    same = Incumbent(version="6", model=None, run_key=run.run_key, earlier=())
    write_report(build_run(prepared=None, validation=None, incumbent=same, **early), task="docs", folder=tmp_path)
    assert "Nothing changed: version 6" in parse(tmp_path / "report.html").text


@pytest.mark.parametrize(
    "missing", ["history", "selection", "prepared", "incumbent", "tuned", "ladder", "verdict", "registration", "ranking", "trained"]
)
def test_any_late_record_may_be_missing(build_run, parse, missing: str, tmp_path: Path) -> None:
    write_report(build_run(**{missing: None}), task="docs", folder=tmp_path)
    assert parse(tmp_path / "report.html").unbalanced == []


def test_a_first_run_without_champion_says_that_none_is_in_production(build_run, parse, tmp_path: Path) -> None:
    evaluation = build_run().evaluation.model_copy(update={"champion": None})
    nobody = Incumbent(version=None, model=None, run_key=None, earlier=())
    write_report(build_run(evaluation=evaluation, incumbent=nobody), task="docs", folder=tmp_path)
    assert "no version is in production" in parse(tmp_path / "report.html").text


def test_a_cleaned_up_predictions_file_leaves_out_what_needs_it(build_run, parse, tmp_path: Path) -> None:
    run = build_run()
    Path(run.evaluation.predictions.path).unlink()
    write_report(run, task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert "predictions file is no longer stored" in text
    assert "Calibration" not in text


def test_a_predictions_file_without_the_model_is_an_error_that_names_file_and_column(build_run, tmp_path: Path) -> None:
    import pandas as pd

    run = build_run()
    path = Path(run.evaluation.predictions.path)
    pd.read_parquet(path).drop(columns="predicted:model").to_parquet(path)
    with pytest.raises(DataError, match=r"predictions\.parquet.*predicted:model"):
        write_report(run, task="docs", folder=tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_small_pictures_are_shown_from_the_page_itself(build_run, parse, tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"\x00" * 100
    write_report(build_run(inputs=lambda row: png), task="digits", folder=tmp_path)
    images = parse(tmp_path / "report.html").named("img")
    assert len(images) == SHOWN_MISTAKES + SHOWN_ROWS
    assert all(image["src"].startswith("data:image/png;base64,iVBORw0KGgo") for image in images)


def test_large_pictures_are_shown_small(build_run, parse, tmp_path: Path) -> None:
    noise, stream = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8), io.BytesIO()
    Image.fromarray(noise).save(stream, format="JPEG", quality=95)
    assert len(stream.getvalue()) > SHOWN_IMAGE_BYTES
    write_report(build_run(inputs=lambda row: stream.getvalue()), task="photographs", folder=tmp_path)
    for image in parse(tmp_path / "report.html").named("img"):
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (200, 150)


def test_bytes_that_are_no_picture_are_named_by_size(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(inputs=lambda row: b"<svg onload=alert(1)>"), task="digits", folder=tmp_path)
    page = parse(tmp_path / "report.html")
    assert page.named("img") == []
    assert "a picture of 21 bytes" in page.text


def test_reused_stages_are_marked(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(reused=frozenset({"rank"})), task="docs", folder=tmp_path)
    assert len(re.findall(r">reused<", (tmp_path / "report.html").read_text(encoding="utf-8"))) == 1


def test_an_excluded_source_shows_its_reason(build_run, parse, tmp_path: Path) -> None:
    write_report(build_run(), task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert re.search(r"excluded python-docs <b>3.15</b>: 12 % of the rows stand in the target's test", text)


def test_a_ranking_that_abstained_says_so_first_and_learns_from_nothing(build_run, parse, tmp_path: Path) -> None:
    nothing = {"chosen": None, "chosen_name": None, "chosen_kind": "backbone", "reason": "no source beats the backbone"}
    run = build_run()
    ranking = run.ranking.model_copy(update=nothing)
    trained = run.trained.model_copy(update={"source": None})
    write_report(build_run(ranking=ranking, selection=None, trained=trained), task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert "None of the 5 sources is good enough" in text
    assert "the backbone is used as it is" in text
    assert "no transfer is claimed" in text
