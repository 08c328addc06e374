"""The monitoring timeline as a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from rootstock.records import Artifact, DriftReport, DriftResult, RetrainDecision
from rootstock.report.timeline import write_timeline
from rootstock.report.window_line import WindowLine


def report(*, drifted: bool) -> DriftReport:
    file = Artifact(path="drift.html", sha256="0")
    return DriftReport(
        model="docs",
        version="6",
        window="2026-10-01",
        rows=120,
        reference_rows=400,
        results=(),
        drifted=drifted,
        evidently_html=file,
        evidently_json=file,
        created="2026-10-01T06:00:00Z",
    )


def decision(*, retrain: bool) -> RetrainDecision:
    return RetrainDecision(
        retrain=retrain, reason="because", window="2026-10-01", data_revision="docs/v3", new_data=False, cool_down_until=None
    )


@pytest.mark.parametrize(
    ("drifted", "retrain", "promoted", "said"),
    [(False, False, None, "quiet"), (True, False, None, "alarm"), (True, True, None, "retrain"), (True, True, "7", "promoted"),
     (False, True, None, "retrain")],
)  # fmt: skip
def test_the_decision_of_a_window_follows_from_its_records(drifted: bool, retrain: bool, promoted: str | None, said: str) -> None:
    line = WindowLine.from_records(report(drifted=drifted), decision(retrain=retrain), promoted=promoted)
    assert line.decision == said


def test_the_strongest_result_is_a_drifted_one_before_a_larger_one() -> None:
    def result(view: str, effect: float, *, drifted: bool) -> DriftResult:
        return DriftResult(
            test="t", view=view, statistic=1, p_value=0.5, effect=effect, effect_floor=0.1, drifted=drifted, reason=""
        )

    results = (result("large", 0.9, drifted=False), result("drifted", 0.2, drifted=True))
    seen = report(drifted=True).model_copy(update={"results": results})
    assert WindowLine.from_records(seen, decision(retrain=False)).strongest.view == "drifted"


def test_the_same_windows_give_the_same_bytes(windows, tmp_path: Path) -> None:
    first = write_timeline(windows, task="docs", folder=tmp_path).read_bytes()
    assert write_timeline(windows, task="docs", folder=tmp_path).read_bytes() == first


def test_every_window_has_a_line_of_the_table_and_three_strips_of_the_picture(windows, parse, tmp_path: Path) -> None:
    page = parse(write_timeline(windows, task="docs", folder=tmp_path))
    assert all(window.label in page.text for window in windows)
    marks = [attributes for attributes in page.named("svg") if str(attributes.get("class")).startswith("mark ")]
    known = sum(window.accuracy is not None for window in windows)
    assert len(marks) == 2 * len(windows) + known + len(windows) + 4  # strips, table, legend


def test_the_headline_counts_the_decisions_and_names_the_champion(windows, parse, tmp_path: Path) -> None:
    text = parse(write_timeline(windows, task="docs", folder=tmp_path)).text
    assert "26 quiet windows, 2 alarms, 1 retraining and 1 promotion; champion now: version 7." in text


def test_hostile_names_stay_text_and_nothing_is_fetched(windows, parse, tmp_path: Path) -> None:
    page = parse(write_timeline(windows, task="</title><script>alert(1)</script>", folder=tmp_path))
    assert page.unbalanced == []
    assert page.named("script") == []
    assert "share_of_digits <i>" in page.text
    assert not [
        value for _, held in page.tags for key, value in held.items() if key == "src" or (key == "href" and value[:5] != "data:")
    ]


@pytest.mark.parametrize("number", [0, 1, 400])
def test_no_window_one_window_and_a_year_of_them_render(windows, parse, number: int, tmp_path: Path) -> None:
    many = (windows * 20)[:number]
    assert parse(write_timeline(many, task="docs", folder=tmp_path)).unbalanced == []


def test_a_window_in_which_nothing_was_compared_says_so(parse, tmp_path: Path) -> None:
    line = WindowLine.from_records(report(drifted=False), decision(retrain=False))
    assert "nothing compared" in parse(write_timeline([line], task="docs", folder=tmp_path)).text
