"""One small task, from its first killed attempt to its retraining; every test of a flow looks at a moment of this life.

Each fixture is one moment and needs the one before, so any test can be run alone, and the whole folder starts few servers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from task_folder import BREAD, STRANGE, TASK, TaskFolder, make_task, texts, write_rows

Document = dict[str, Any]


@dataclass(frozen=True)
class Killed:
    """A run killed in ``finetune``, and again in ``evaluate``."""

    holder: int
    second_caller: subprocess.CompletedProcess[str]
    orphans: tuple[list[int], list[int]]
    """servers that each killed run left"""


@dataclass(frozen=True)
class Served:
    """The champion's labels for the test rows, from three places."""

    recorded: list[str]
    by_load_py: list[str]
    by_mlflow: list[str]


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskFolder]:
    import psutil

    made = make_task(tmp_path_factory.mktemp("flows"))
    yield made
    for pid in made.processes():
        psutil.Process(pid).kill()


@pytest.fixture(scope="session")
def killed(task: TaskFolder) -> Killed:
    process = task.start("run")
    holder = task.workspace / "locks" / f"{TASK}.json"
    task.wait_until(holder.is_file, process)
    first_pid = process.pid
    second = task.call("run")
    orphans = []
    for stage in ("finetune", "evaluate"):
        task.wait_for_stage(process, stage)
        task.kill(process)
        orphans.append(task.processes())
        if stage == "finetune":
            process = task.start("run")
    return Killed(first_pid, second, (orphans[0], orphans[1]))


@pytest.fixture(scope="session")
def first(task: TaskFolder, killed: Killed) -> Document:
    return task.answer("run")


@pytest.fixture(scope="session")
def again(task: TaskFolder, first: Document) -> Document:
    return task.answer("run")


@pytest.fixture(scope="session")
def planned(task: TaskFolder, again: Document) -> dict[str, Document]:
    """Plans made before anything newer arrives: of the same run again, and of another seed."""
    return {"same": task.here("plan", "--price", "3.6"), "other": task.here("plan", "--set", "seed=99")}


@pytest.fixture(scope="session")
def served(task: TaskFolder, first: Document, again: Document, planned: dict[str, Document]) -> Served:
    import pandas as pd

    rows = pd.read_parquet(task.folder / first["evaluation"]["predictions"]["path"])
    test = pd.read_parquet(task.folder / first["data"]["prepared"]["target"]["splits"]["test"]["path"]).set_index("id")
    lines = list(test.loc[rows["id"], "input"])
    model = next((task.workspace / "stages" / "incumbent").glob("*/version-1"))
    alone = (
        "import sys, runpy; sys.modules['rootstock'] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    served = (
        "import sys, json, mlflow; mlflow.set_tracking_uri('sqlite:///.rootstock/mlflow.db'); "
        f"model = mlflow.pyfunc.load_model('models:/{TASK}@champion'); "
        "import pandas; answer = model.predict(pandas.DataFrame({'input': sys.stdin.read().splitlines()})); "
        "print(json.dumps([str(label) for label in answer['predicted']]))"
    )
    return Served(
        recorded=list(rows["predicted:model"]),
        by_load_py=task.python(alone, str(model / "load.py"), said="\n".join(lines)).split(),
        by_mlflow=json.loads(task.python(served, said="\n".join(lines)).splitlines()[-1]),
    )


@pytest.fixture(scope="session")
def mended(task: TaskFolder, first: Document, served: Served) -> Document:
    """Run again after one stage lost a file and another had one changed."""
    (task.folder / first["evaluation"]["predictions"]["path"]).write_bytes(b"changed")
    (task.folder / first["ladder"]["predictions"]["path"]).unlink()
    return task.answer("run")


@pytest.fixture(scope="session")
def other_gate(task: TaskFolder, mended: Document) -> Document:
    """Run with another value in a section that only the last stages read: version 2."""
    return task.answer("run", "--set", "gates.panel.0.at_least=0.4")


@pytest.fixture(scope="session")
def predicted(task: TaskFolder, other_gate: Document) -> dict[str, Document]:
    quiet = task.folder / "quiet.csv"
    write_rows(quiet, 77, 30)
    lines = [text.upper() + "!" for text in texts(78, BREAD, 60)]
    shifted = [f"{line} {' '.join(STRANGE)}" for line in lines]
    (task.folder / "shifted.csv").write_text("text\n" + "\n".join(shifted) + "\n", encoding="utf-8")
    return {name: task.here("predict", f"{name}.csv", f"{name}-out.csv") for name in ("quiet", "shifted")}


@pytest.fixture(scope="session")
def watched(task: TaskFolder, predicted: dict[str, Document]) -> Document:
    return task.answer("monitor", "--batch", "quiet")


@pytest.fixture(scope="session")
def retrained(task: TaskFolder, watched: Document) -> Document:
    """New labelled rows arrive; the newest window is the shifted one."""
    rows = write_rows(task.folder / "more.csv", 5, 40).read_text().partition("\n")[2]
    (task.folder / "target.csv").write_text((task.folder / "target.csv").read_text() + rows, encoding="utf-8")
    task.here("data", "add", TASK, "target.csv")
    return task.answer("retrain")


@pytest.fixture(scope="session")
def moved(task: TaskFolder, retrained: Document) -> list[Document]:
    """Rolled back, then promoted by hand."""
    back = task.here("rollback", "--reason", "test of the way back")
    return [back, task.here("promote", "1", "--reason", "test of promotion by hand")]


@pytest.fixture(scope="session")
def labelled(task: TaskFolder, moved: list[Document]) -> dict[str, Document]:
    """Rows of the shifted batch are asked for and labelled, the last of them left blank; then more are asked for."""
    import pandas as pd

    asked = task.here("label", "choose", "sheet.csv", "--rows", "12", "--sample", "6", "--batch", "shifted")
    sheet = pd.read_csv(task.folder / "sheet.csv", dtype=str)
    sheet["label"] = ["bread"] * (len(sheet) - 1) + [None]
    sheet.to_csv(task.folder / "sheet.csv", index=False)
    added = task.here("label", "add", "sheet.csv")
    more = task.here("label", "choose", "more-sheet.csv", "--rows", "3")
    return {"asked": asked, "added": added, "more": more}
