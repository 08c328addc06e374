"""The figures' geometry."""

from __future__ import annotations

import math
import re

import pytest
from rootstock.records import Curve
from rootstock.report.confusion import confused_pairs, matrix
from rootstock.report.figures.curves import curves
from rootstock.report.figures.intervals import Interval, intervals
from rootstock.report.figures.svg import element, number, scale, ticks
from rootstock.report.wording import points


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, (0, 0.2, 0.4, 0.6, 0.8, 1)), (-3.2, 7.9, (-2, 0, 2, 4, 6)), (5, 5, (5,)), (math.nan, 1, ())],
)
def test_ticks_are_round_numbers_inside_the_range(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_an_empty_range_maps_to_the_middle() -> None:
    assert scale(2, 2, 0, 100)(2) == 50


def test_attribute_values_are_escaped() -> None:
    assert element("text", "<b>", title='"><script>') == '<text title="&#34;&gt;&lt;script&gt;">&lt;b&gt;</text>'


def test_coordinates_have_no_negative_nought() -> None:
    assert number(-0.001) == "0"


def test_an_interval_is_drawn_between_its_ends_with_the_mark_inside() -> None:
    drawn = intervals([Interval("a", 0.5, 0.2, 0.9)], text=points, reference=0.0)
    whisker = next(re.findall(r"[\d.]+(?=%)", line) for line in re.findall(r"<line[^>]*>", drawn) if "whisker" in line)
    mark = float(re.search(r'<svg x="([\d.]+)%"', drawn).group(1))
    assert float(whisker[0]) < mark < float(whisker[1])


def test_rows_without_numbers_draw_nothing() -> None:
    assert intervals([Interval("a", math.nan, math.nan, math.nan)], text=points) == ""


def test_curves_of_one_unit_share_a_panel_and_those_of_another_have_their_own() -> None:
    def curve(name: str, unit: str) -> Curve:
        return Curve(name=name, unit=unit, x=(1, 2, 3), y=(3, 2, 1))

    drawn = curves([curve("a", "nats"), curve("b", "nats"), curve("c", "share")])
    assert drawn.count("<figure") == 2


def test_a_fifth_curve_goes_into_a_further_panel() -> None:
    drawn = curves([Curve(name=str(i), unit="nats", x=(1, 2), y=(i, i)) for i in range(5)])
    assert drawn.count("<figure") == 2


def test_a_curve_with_one_point_or_broken_numbers_is_left_out() -> None:
    broken = Curve(name="b", unit="nats", x=(1, 2), y=(1, math.nan))
    assert curves([Curve(name="a", unit="nats", x=(1,), y=(1,)), broken]) == ""


def test_shares_of_a_confusion_row_add_up_to_one(build_run) -> None:
    for cells in matrix(build_run().evaluation):
        assert sum(cell.share for cell in cells) == pytest.approx(1)


def test_a_class_without_test_rows_has_shares_of_nought(build_run) -> None:
    report = build_run().evaluation
    empty = report.model_copy(update={"confusion": ((0,) * 8, *report.confusion[1:])})
    assert [cell.share for cell in matrix(empty)[0]] == [0] * 8


def test_confused_pairs_come_commonest_first_without_the_diagonal(build_run) -> None:
    pairs = confused_pairs(build_run().evaluation, most=5)
    assert [pair.rows for pair in pairs] == sorted((pair.rows for pair in pairs), reverse=True)
    assert all(pair.label != pair.predicted for pair in pairs)


def test_many_classes_have_no_matrix(build_run) -> None:
    report = build_run().evaluation.model_copy(update={"labels": tuple(f"c{i}" for i in range(31))})
    assert matrix(report) == ()
