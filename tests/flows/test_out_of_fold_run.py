"""Few labels, none held out: the run measures on the labelled rows out of fold, and a retrain on those that are new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.slow]

FEW_LABELS = (
    "--set", "data.test_fraction=null", "--set", "evaluation.rows=out_of_fold", "--set", "evaluation.folds=3",
    "--set", "evaluation.repeats=1", "--set", "gates.panel.0.at_least=0.3",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """The first run, with two sources that know the target's classes, and one after new rows have come."""
    import psutil
    from task_folder import TASK, make_task, write_rows

    task = make_task(tmp_path_factory.mktemp("few"))
    write_rows(task.folder / "target.csv", 1, 16)
    task.here("data", "add", TASK, "target.csv")
    for seed, source in ((2, "market"), (3, "letters")):
        write_rows(task.folder / f"{source}.csv", seed, 30)
        task.here("data", "add", source, f"{source}.csv")
    first = task.answer("run", *FEW_LABELS)
    more = write_rows(task.folder / "more.csv", 9, 6).read_text().partition("\n")[2]
    (task.folder / "target.csv").write_text((task.folder / "target.csv").read_text() + more, encoding="utf-8")
    task.here("data", "add", TASK, "target.csv")
    yield task.folder, first, task.answer("run", *FEW_LABELS)
    for pid in task.processes():
        psutil.Process(pid).kill()


def test_every_labelled_row_is_measured_on_once_and_learned_from_by_what_ships(runs: tuple[Path, Any, Any]) -> None:
    import pandas as pd

    folder, first, _ = runs
    splits = first["data"]["prepared"]["target"]["splits"]
    assert "test" not in splits
    assert first["evaluation"]["measures"]["accuracy"]["n"] == splits["train"]["rows"] == 32
    rows = pd.read_parquet(folder / first["evaluation"]["predictions"]["path"])
    assert sorted(rows["id"]) == sorted(pd.read_parquet(folder / splits["train"]["path"])["id"])


def test_the_report_says_by_how_much_the_rows_hang_together(runs: tuple[Path, Any, Any]) -> None:
    assert (runs[1]["evaluation"]["rows"], runs[1]["evaluation"]["variance_inflation"]) == ("out_of_fold", 2.5)


def test_a_model_that_passed_is_registered_and_its_files_answer_as_it_did(runs: tuple[Path, Any, Any]) -> None:
    assert runs[1]["verdict"]["verdict"] == "pass"
    assert runs[1]["registration"]["alias"] == "champion"


def test_a_retrain_compares_with_the_champion_on_new_rows_alone(runs: tuple[Path, Any, Any]) -> None:
    champion = runs[2]["evaluation"]["champion"]
    assert champion["measures"]["accuracy"]["n"] == 12
    assert "32 of 44 rows left out because it learned from them" in champion["note"]
    assert runs[2]["verdict"]["verdict"] in {"pass", "fail", "inconclusive"}


def test_two_sources_of_the_same_classes_are_learned_from_together(runs: tuple[Path, Any, Any]) -> None:
    _, first, _ = runs
    assert [one["source"] for one in first["ranking"]["candidates"]][:1] == ["market + letters"]
    assert first["selection"]["chosen"] == first["training"]["source"] == "market + letters"
    assert first["source_tuning"]["rows"] == 120
    assert first["source_tuning"]["matched_labels"] == {"bread": "bread", "ship": "ship"}
