"""Planted copies of test rows are found in a source, on real texts too, and unrelated rows are left alone."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest
from rootstock.data import demo_docs
from rootstock.data.contamination import without_copies
from rootstock.data.demo_topics import PYTHON
from rootstock.data.rows import make_frame

SHARED = Path(__file__).parents[3] / "shared" / "data"
SIMILARITY = 0.5
PLANTED = 50

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real data sets of ../shared/data are not here")


def texts_of(name: str) -> list[str]:
    """Different texts of a real data set, in a fixed random order."""
    path = SHARED / name
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    texts = [str(text) for text in dict.fromkeys(frame["text"])]
    random.Random(0).shuffle(texts)
    return texts


def source_of(texts: list[str]) -> pd.DataFrame:
    return make_frame(texts, ["a", "b"] * (len(texts) // 2) + ["a"] * (len(texts) % 2))


def changed(text: str, words: list[str], chance: random.Random) -> str:
    """``text`` with two of its words replaced."""
    parts = text.split()
    for place in chance.sample(range(len(parts)), 2):
        parts[place] = chance.choice([word for word in words if word.casefold() != parts[place].casefold()])
    return " ".join(parts)


def plant(test: list[str], background: list[str], *, fewest_words: int) -> pd.DataFrame:
    """A source of the background with 50 equal and 50 changed copies of test rows, mixed in."""
    chance = random.Random(1)
    long = [text for text in test if len(text.split()) >= fewest_words]
    chosen = chance.sample(long, 2 * PLANTED)
    words = [word for text in background for word in text.split()]
    near = [changed(text, words, chance) for text in chosen[PLANTED:]]
    rows = [*background, *chosen[:PLANTED], *near]
    chance.shuffle(rows)
    return source_of(rows)


def check_planted(test: list[str], background: list[str], *, fewest_words: int, most_alarms: int) -> None:
    source = plant(test, background, fewest_words=fewest_words)
    alarms = without_copies(source_of(background), test, similarity=SIMILARITY)[1]
    clean, found = without_copies(source, test, similarity=SIMILARITY)
    assert alarms.exact + alarms.near <= most_alarms
    assert found.exact - alarms.exact == PLANTED
    assert found.near - alarms.near >= 48
    assert len(clean) == len(source) - found.exact - found.near


@needs_shared
@pytest.mark.parametrize(
    ("target", "background", "most_alarms"),
    [
        ("sentiment/tweets.csv", "sentiment/products.csv", 10),
        ("sentiment/products.csv", "sentiment/tweets.csv", 10),
        ("intents/banking77_test.csv", "sentiment/movies.csv", 2),
        ("sentiment/movies.csv", "sentiment/editorials.csv", 2),
    ],
)
def test_planted_copies_of_real_short_texts_are_found(target: str, background: str, most_alarms: int) -> None:
    check_planted(texts_of(target)[:500], texts_of(background)[:1000], fewest_words=4, most_alarms=most_alarms)


@needs_shared
def test_planted_copies_of_real_reviews_are_found() -> None:
    target, background = texts_of("reviews/kitchen_housewares.parquet"), texts_of("reviews/software.parquet")
    check_planted(target[:200], background[:300], fewest_words=4, most_alarms=0)


def test_planted_copies_of_documentation_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    demo_docs._frame.cache_clear()  # before and after: what is cut short here is not what other tests expect
    monkeypatch.setattr(demo_docs, "PYTHON", {"python-docs": {"dates and times": PYTHON["python-docs"]["dates and times"]}})
    target, background = (demo_docs._frame(name)["input"].tolist() for name in ("numpy-docs", "python-docs"))
    demo_docs._frame.cache_clear()
    check_planted(target[:300], background, fewest_words=4, most_alarms=0)


TEST = ["The battery of this phone died after two days", "Arrived late, but works well so far"]


def test_case_blanks_and_unicode_form_do_not_hide_an_exact_copy() -> None:
    source = source_of(
        ["the BATTERY of this  phone died after two days", "Arrived late, but \uff57orks well so far ", "Another thing"]
    )
    clean, found = without_copies(source, TEST, similarity=None)
    assert (found.exact, found.near) == (2, 0)
    assert clean["input"].tolist() == ["Another thing"]
    assert found.rows == tuple(source["id"][:2])


def test_without_a_similarity_only_exact_copies_are_dropped() -> None:
    source = source_of(["The battery of this phone died after two weeks", TEST[1]])
    assert without_copies(source, TEST, similarity=None)[1].near == 0
    assert without_copies(source, TEST, similarity=0.5)[1].near == 1


def test_at_most_twenty_rows_are_named() -> None:
    found = without_copies(source_of([TEST[0]] * 30), TEST, similarity=SIMILARITY)[1]
    assert (found.exact, len(found.rows)) == (30, 20)


def test_images_are_compared_by_their_bytes() -> None:
    source = make_frame([b"one", b"two", b"three"], ["a", "b", "a"])
    clean, found = without_copies(source, [b"two", b"four"], similarity=SIMILARITY)
    assert (found.exact, found.near) == (1, 0)
    assert clean["input"].tolist() == [b"one", b"three"]


def test_rows_are_left_unchanged() -> None:
    source = source_of([*TEST, "Another thing"])
    before = source.copy(deep=True)
    without_copies(source, TEST, similarity=SIMILARITY)
    pd.testing.assert_frame_equal(source, before)


def test_no_test_rows_contaminate_nothing() -> None:
    source = source_of(TEST)
    assert without_copies(source, [], similarity=SIMILARITY)[0].equals(source)
