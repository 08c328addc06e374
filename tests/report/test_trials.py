"""The rounds of successive halving as the report shows them."""

from __future__ import annotations

from rootstock.records import HalvingScore, Measure, Selection
from rootstock.report.trials import rounds


def share(value: float) -> Measure:
    return Measure(value=value, low=value - 0.1, high=value + 0.1, n=40, unit="accuracy", higher_is_better=True)


def tried(name: str, rows: int, *, kept: bool = True) -> HalvingScore:
    return HalvingScore(name=name, source_rows=rows, log_loss=0.4, accuracy=share(0.8), gain=share(0.1), kept=kept)


def selection(*scores: tuple[HalvingScore, ...]) -> Selection:
    return Selection(
        chosen="films", chosen_name="films", chosen_kind="domain", backbone="b", matched_labels={}, rounds=scores, reason="",
        rows_trained=0, seconds=1.0,
    )  # fmt: skip


def test_rows_of_sources_together_are_counted_of_each() -> None:
    first = (tried("books + films + toys", 180), tried("films", 60), tried("books", 60, kept=False))
    second = (tried("books + films + toys", 360), tried("films", 120, kept=False))
    assert [each.title.replace("\N{NARROW NO-BREAK SPACE}", "") for each in rounds(selection(first, second))] == [
        "Round 1: 3 candidates, 60 rows of each source",
        "Round 2: 2 candidates, 120 rows of each source",
    ]


def test_where_nothing_was_tried_there_are_no_rounds() -> None:
    assert rounds(selection()) == ()
