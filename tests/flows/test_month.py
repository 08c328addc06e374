"""The month that ``rootstock loop`` plays: what is asked when, and what arrives."""

from __future__ import annotations

from pathlib import Path

import pytest
from rootstock.data.demo_docs import build_docs
from rootstock.params import Params, load_params
from rootstock_flows.month import ARRIVED, DRIFT_SOURCE, LABELLED_ROWS_PER_CLASS, Episode, _append, _episodes, _few_labels, month_of

pytestmark = pytest.mark.slow  # the corpus is read from the installed packages


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(Path(__file__).resolve().parents[2] / "params.yaml")


@pytest.fixture(scope="module")
def episodes(params: Params) -> list[Episode]:
    return _episodes(params)


def test_the_library_that_drift_comes_from_is_no_source_of_the_month(params: Params) -> None:
    assert DRIFT_SOURCE in params.data.sources
    assert DRIFT_SOURCE not in month_of(params, "elsewhere").data.sources


def test_every_window_is_as_long_as_the_watch_needs(params: Params, episodes: list[Episode]) -> None:
    assert {len(episode.rows) for episode in episodes} == {params.monitoring.window_rows}


def test_quiet_windows_ask_about_paragraphs_that_the_first_champion_never_saw(params: Params, episodes: list[Episode]) -> None:
    labelled = set(build_docs(arrived=ARRIVED)[params.data.target]["id"])
    assert not labelled & {row for episode in episodes[:3] for row in episode.rows["id"]}


def test_labels_arrive_only_after_the_drifted_window_and_come_from_past_windows(episodes: list[Episode]) -> None:
    arrivals = [episode.arrivals for episode in episodes]
    assert [found is not None for found in arrivals] == [False, False, False, False, True, False]
    assert arrivals[4] is not None
    assert set(arrivals[4]["id"]) <= set(episodes[2].rows["id"]) | set(episodes[3].rows["id"])
    assert set(arrivals[4]["split"]) == {"train", "test"}


def test_the_month_begins_with_few_labelled_rows_of_each_topic(params: Params) -> None:
    rows = _few_labels(build_docs(arrived=ARRIVED)[params.data.target])
    counts = rows[rows["split"] == "train"]["label"].value_counts()
    assert set(counts) == {LABELLED_ROWS_PER_CLASS}


def test_drifted_windows_come_from_another_library_and_are_not_asked_twice(episodes: list[Episode]) -> None:
    other = set(build_docs()[DRIFT_SOURCE]["id"])
    asked = [row for episode in episodes[3:] for row in episode.rows["id"]]
    assert set(asked) <= other
    assert len(asked) == len(set(asked))


def test_a_new_version_holds_the_old_rows_and_the_arrivals_once(params: Params, episodes: list[Episode]) -> None:
    old = build_docs(arrived=ARRIVED)[params.data.target]
    arrivals = episodes[4].arrivals
    assert arrivals is not None
    new = _append(old, arrivals)
    assert set(new["id"]) == set(old["id"]) | set(arrivals["id"])
    assert new["id"].is_unique
