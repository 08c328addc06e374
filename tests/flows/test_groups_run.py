"""Rows of customers: none of them on both sides, in the split and in the folds, and the report says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.slow]

GROUP = ("--set", "data.columns.group=customer", "--set", "similarity.halving.candidates=0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A run on rows of customers with four each, of both classes, and a source that knows of no customers."""
    import pandas as pd
    import psutil
    from task_folder import TASK, make_task, write_rows

    task = make_task(tmp_path_factory.mktemp("groups"))
    rows = pd.read_csv(write_rows(task.folder / "target.csv", 1, 40)).sample(frac=1, random_state=0)
    rows.assign(customer=[f"customer {n // 4}" for n in range(len(rows))]).to_csv(task.folder / "target.csv", index=False)
    task.here("data", "add", TASK, "target.csv", *GROUP[:2])
    for seed, source in ((2, "market"), (3, "letters")):
        write_rows(task.folder / f"{source}.csv", seed, 30)
        task.here("data", "add", source, f"{source}.csv")
    yield task.folder, task.answer("run", *GROUP)
    for pid in task.processes():
        psutil.Process(pid).kill()


def test_no_customer_is_learned_from_and_tested_on(run: tuple[Path, dict[str, Any]]) -> None:
    import pandas as pd

    folder, found = run
    target = found["data"]["prepared"]["target"]
    rows = {name: pd.read_parquet(folder / split["path"]) for name, split in target["splits"].items()}
    assert not set(rows["train"]["group"]) & set(rows["test"]["group"])
    assert found["evaluation"]["groups"] == target["groups"]["test"] == rows["test"]["group"].nunique()
    answers = pd.read_parquet(folder / found["evaluation"]["predictions"]["path"])
    assert answers.set_index("id")["group"].to_dict() == rows["test"].set_index("id")["group"].to_dict()


def test_what_ships_knows_which_customers_it_has_learned_from(run: tuple[Path, dict[str, Any]]) -> None:
    import json

    import pandas as pd
    from rootstock.classifier import group_hash

    folder, found = run
    file = next((folder / ".rootstock" / "stages" / "finetune").rglob("training_rows.json"))
    learned = json.loads(file.read_text(encoding="utf-8"))
    customers = set(pd.read_parquet(folder / found["data"]["prepared"]["target"]["splits"]["train"]["path"])["group"])
    assert {name for name in learned if name.startswith("group ")} == {group_hash(customer) for customer in customers}


def test_the_report_says_of_how_many_groups_the_rows_are(run: tuple[Path, dict[str, Any]]) -> None:
    folder, found = run
    wanted = f"test rows of {found['evaluation']['groups']} groups"
    assert wanted in (folder / found["report"]).read_text(encoding="utf-8")
