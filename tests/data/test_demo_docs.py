"""The demo corpus reads like documentation, has its topics, and is the same every time."""

from __future__ import annotations

import re
import warnings

import pytest
from rootstock.data import demo_docs
from rootstock.data.demo_topics import PYTHON, SCIENCE
from rootstock.data.rows import label_counts
from rootstock.errors import DataError


@pytest.fixture
def small(monkeypatch):
    """Two quick libraries; numpy stands for the target."""
    monkeypatch.setattr(demo_docs, "SCIENCE", {"numpy-docs": SCIENCE["numpy-docs"]})
    monkeypatch.setattr(demo_docs, "PYTHON", {"python-docs": {"dates and times": PYTHON["python-docs"]["dates and times"]}})
    monkeypatch.setattr(demo_docs, "TARGET", "numpy-docs")


def test_paragraphs_are_prose_without_package_names(small):
    for frame in demo_docs.build_docs().values():
        for text in frame["input"]:
            assert 60 <= len(text) <= 600
            assert not re.search(r"numpy|scipy|torch|sklearn|>>>|::|https?:", text, re.IGNORECASE)


def test_every_topic_of_numpy_has_sixty_paragraphs_and_none_too_many(small):
    counts = label_counts(demo_docs.build_docs()["numpy-docs"])
    assert set(counts) == set(SCIENCE["numpy-docs"])
    assert all(60 <= rows <= demo_docs.TOPIC_ROWS for rows in counts.values())


def test_no_paragraph_repeats(small):
    for frame in demo_docs.build_docs().values():
        assert frame["input"].str.lower().is_unique


def test_the_corpus_is_the_same_when_built_again(small):
    first = demo_docs.build_docs()["numpy-docs"]
    demo_docs._frame.cache_clear()
    assert demo_docs.build_docs()["numpy-docs"].equals(first)


def test_what_has_arrived_is_part_of_what_arrives_later(small):
    early, later = (demo_docs.build_docs(arrived=share)["numpy-docs"] for share in (0.6, 0.8))
    assert set(early["id"]) < set(later["id"])
    assert len(early) / len(later) == pytest.approx(0.75, abs=0.01)


def test_topics_arrive_evenly(small):
    early, everything = (demo_docs.build_docs(arrived=share)["numpy-docs"]["label"].value_counts() for share in (0.5, 1.0))
    assert (early / everything).between(0.35, 0.65).all()


def test_arrivals_touch_the_target_only(small):
    assert demo_docs.build_docs(arrived=0.5)["python-docs"].equals(demo_docs.build_docs()["python-docs"])


def test_quiet_windows_hold_rows_of_the_target_that_had_not_arrived(small):
    windows = demo_docs.stream(arrived=0.5, rows=60, windows=3)
    ids = [row for window in windows for row in window["id"]]
    everything = demo_docs.build_docs()["numpy-docs"]
    assert [len(window) for window in windows] == [60, 60, 60]
    assert len(set(ids)) == 180
    assert set(ids) <= set(everything["id"]) - set(demo_docs.build_docs(arrived=0.5)["numpy-docs"]["id"])
    assert list(windows[0].columns) == ["id", "input"]


def test_a_drifted_window_holds_rows_of_another_library(small):
    (window,) = demo_docs.stream(arrived=0.5, rows=30, source="python-docs")
    assert set(window["id"]) <= set(demo_docs.build_docs()["python-docs"]["id"])


def test_too_many_windows_are_refused(small):
    with pytest.raises(DataError, match="take fewer"):
        demo_docs.stream(arrived=0.99, rows=100)


def test_paragraphs_alike_across_topics_are_dropped_and_within_a_topic_kept_once():
    rows = [
        ("a", "one two three four five"),
        ("a", "one two three four, five"),
        ("b", "six seven eight nine"),
        ("c", "six seven eight nine 9"),
    ]
    assert demo_docs._without_near_duplicates(rows) == [("a", "one two three four five")]


def test_the_licence_is_what_the_documented_library_states():
    assert demo_docs.docs_licence("sklearn-docs") == "BSD-3-Clause"
    assert demo_docs.docs_licence("python-docs") is None


def test_a_library_that_is_not_installed_is_named():
    with pytest.raises(DataError, match="needs the package no_such_package"):
        list(demo_docs._modules("no_such_package.part"))


def test_a_submodule_that_is_not_there_is_passed_over():
    assert list(demo_docs._modules("numpy.no_such_part")) == []


@pytest.mark.slow
def test_the_target_has_enough_of_every_topic_without_warnings_or_output(capsys):
    demo_docs._frame.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts = label_counts(demo_docs.build_docs()["torch-docs"])
    assert len(counts) == 8
    assert min(counts.values()) >= 60
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_every_science_library_shares_most_topics_and_python_shares_none():
    frames = demo_docs.build_docs()
    topics = {name: set(frame["label"]) for name, frame in frames.items()}
    assert all(len(topics[name] & topics["torch-docs"]) >= 5 for name in SCIENCE)
    assert not topics["python-docs"] & topics["torch-docs"]


@pytest.mark.slow
def test_a_few_rows_classify_the_target_in_part():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    frame = demo_docs.build_docs()["torch-docs"]
    train = frame.groupby("label").sample(12, random_state=0)
    test = frame.drop(train.index)
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
    assert 0.4 < model.fit(train["input"], train["label"]).score(test["input"], test["label"]) < 0.75
