from __future__ import annotations

import pytest
from rootstock.records import GateVerdict, Verdict
from rootstock.registration.promotion import place


def verdict(word: Verdict) -> GateVerdict:
    return GateVerdict(verdict=word, results=(), reason="because", looks=None)


@pytest.mark.parametrize(
    ("word", "judged_against", "champion", "alias"),
    [
        ("pass", None, None, "champion"),
        ("pass", "3", "3", "champion"),
        ("pass", "3", "5", "champion"),  # version 5 itself: the alias was moved before the process was killed
        ("pass", "3", "4", "challenger"),
        ("pass", None, "4", "challenger"),
        ("pass", "3", None, None),
        ("inconclusive", "3", "3", "challenger"),
        ("inconclusive", None, None, None),
    ],
)
def test_the_alias_of_version_5(word: Verdict, judged_against: str | None, champion: str | None, alias: str | None) -> None:
    assert place(verdict(word), version="5", judged_against=judged_against, champion=champion).alias == alias


def test_a_champion_that_moved_is_named_in_the_reason() -> None:
    said = place(verdict("pass"), version="5", judged_against="3", champion="4").reason
    assert "compared version 5 with version 3" in said
    assert "version 4 is champion now" in said


def test_a_refused_model_has_no_place() -> None:
    with pytest.raises(ValueError, match="refused"):
        place(verdict("fail"), version="5", judged_against=None, champion=None)
