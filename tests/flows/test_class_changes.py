"""A retrain after classes have come, gone, and got another name runs to a verdict, and says on what it compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.slow]

STARS = ["comet", "nova", "orbit", "dwarf", "moon", "halo", "quasar", "pulsar", "meteor", "nebula", "eclipse", "zenith"]


def write_classes(path: Path, seed: int, words: dict[str, list[str]], rows: int) -> None:
    from task_folder import texts

    lines = [f"{text},{label}\n" for label, own in words.items() for text in texts(seed, own, rows)]
    path.write_text("text,label\n" + "".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """ship, bread and star make the champion; then star is gone, food is what bread is called, and tide has come."""
    import psutil
    from task_folder import BREAD, SHIP, TASK, make_task

    task = make_task(tmp_path_factory.mktemp("classes"))
    write_classes(task.folder / "target.csv", 1, {"ship": SHIP, "bread": BREAD, "star": STARS}, 30)
    task.here("data", "add", TASK, "target.csv")
    assert task.answer("run")["registration"]["alias"] == "champion"
    write_classes(task.folder / "target.csv", 8, {"ship": SHIP, "food": BREAD, "cloud": STARS[::-1]}, 30)
    task.here("data", "add", TASK, "target.csv")
    yield task.folder, task.answer("run", "--set", "data.renamed_labels={bread: food}")
    for pid in task.processes():
        psutil.Process(pid).kill()


def test_it_runs_to_a_verdict(retrained: tuple[Path, dict[str, Any]]) -> None:
    assert retrained[1]["verdict"]["verdict"] in {"pass", "fail", "inconclusive"}
    assert retrained[1]["data"]["prepared"]["target"]["labels"] == ["cloud", "food", "ship"]


def test_the_difference_between_the_classes_is_recorded(retrained: tuple[Path, dict[str, Any]]) -> None:
    found = retrained[1]["evaluation"]
    assert (found["classes_added"], found["classes_removed"]) == (["cloud"], ["star"])
    assert found["classes_renamed"] == {"bread": "food"}
    assert found["champion_labels"] == ["food", "ship", "star"]


def test_the_champion_is_compared_on_the_rows_of_the_shared_classes(retrained: tuple[Path, dict[str, Any]]) -> None:
    import pandas as pd

    folder, document = retrained
    rows = pd.read_parquet(folder / document["evaluation"]["predictions"]["path"])
    asked = rows["predicted:champion"].notna()
    assert set(rows.loc[asked, "label"]) == {"food", "ship"}
    assert set(rows.loc[~asked, "label"]) == {"cloud"}
    assert document["evaluation"]["champion"]["measures"]["accuracy"]["n"] == int(asked.sum()) == 30


def test_the_report_says_on_which_classes_they_were_compared(retrained: tuple[Path, dict[str, Any]]) -> None:
    folder, document = retrained
    page = (folder / document["report"]).read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "compared on the 30 of 45 rows of the 2 classes that both know (food, ship)" in text
    assert "added: cloud; removed: star; renamed: bread to food" in text


def test_the_champions_head_was_matched_by_the_names_of_today(retrained: tuple[Path, dict[str, Any]]) -> None:
    [champion] = [each for each in retrained[1]["ranking"]["candidates"] if each["source"] == "champion"]
    assert champion["excluded"] is None
    assert champion["matched_labels"] == {"food": "bread", "ship": "ship"}
