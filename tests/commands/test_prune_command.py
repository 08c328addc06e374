"""``rootstock prune`` gives back what nothing needs, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from rootstock.errors import BusyError
from rootstock.journal import append
from rootstock_flows import prune as module
from rootstock_flows.commands.init import params_for
from rootstock_flows.commands.prune import command
from rootstock_flows.lock import only_run

NOW, DAY = 2_000_000_000.0, 86_400.0
WORKSPACE = Path(".rootstock")
PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
DECIDED = {"model": "news", "training": {"model": {"path": ".rootstock/stages/finetune/decided/model", "sha256": "0"}}}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a file of the workspace, so many days ago."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(params_for("news", PARAMS.read_text(encoding="utf-8")), encoding="utf-8")
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr(module, "_aliased_versions", lambda model, _: {"1"} if model == "news" else set())

    def written(name: str, *, days: float, text: str = "x" * 100) -> Path:
        path = WORKSPACE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for each in (path, *path.relative_to(WORKSPACE).parents):
            if each != Path():
                os.utime(each if each == path else WORKSPACE / each, (NOW - days * DAY,) * 2)
        return path

    return written


def write_run(write: Callable[..., Path], key: str, *, version: str | None, names: str, days: float) -> Path:
    registration = {"model": "news", "version": version} if version else None
    document = {"task": "news", "registration": registration, "training": {"model": {"path": f".rootstock/{names}/model"}}}
    return write(f"runs/{key}/run.json", days=days, text=json.dumps(document))


def removed(*options: str) -> set[str]:
    done = CliRunner().invoke(command, [*options, "--json"], catch_exceptions=False)
    return {Path(each["path"]).relative_to(WORKSPACE).as_posix() for each in json.loads(done.stdout)["paths"]}


def test_results_that_nothing_names_are_removed_once_they_are_old(write):
    old, young = write("stages/tune/old/record.json", days=40), write("stages/tune/young/record.json", days=20)
    assert removed() == {"stages/tune/old"}
    assert young.exists()
    assert not old.parent.exists()


def test_what_a_decision_names_is_kept_for_good(write):
    model = write("stages/finetune/decided/model/weights", days=400)
    append(str(WORKSPACE), "decision", DECIDED, after=None)
    assert removed() == set()
    assert model.exists()


def test_results_of_versions_that_bear_an_alias_and_of_young_runs_are_kept(write):
    for name in ("champions", "youngs", "olds"):
        write(f"stages/tune/{name}/model", days=400)
    write_run(write, "a1", version="1", names="stages/tune/champions", days=300)
    write_run(write, "b2", version=None, names="stages/tune/youngs", days=3)
    kept = write_run(write, "c3", version="2", names="stages/tune/olds", days=300)
    assert removed() == {"stages/tune/olds"}
    assert kept.exists()


def test_kept_features_that_were_read_since_stay(write):
    read = write("features/read.npy", days=400)
    os.utime(read, (NOW - 3 * DAY, NOW - 400 * DAY))
    write("features/unread.npy", days=400)
    assert removed() == {"features/unread.npy"}


def test_what_a_killed_command_left_is_removed_and_the_data_registry_is_left_alone(write):
    write("predictions/news/1/.20260101.parquet.ab12cd_9.parquet", days=40)
    write("stages/tune/old/.model.abcdefgh/weights", days=40)
    write("tmpabcdefgh/model/weights", days=40)
    others = [
        write(name, days=40)
        for name in ("tmp-of-somebody", "data/.git/tmpabcdefgh", "predictions/news/1/kept.parquet", "reports/old.html")
    ]
    assert removed() == {"predictions/news/1/.20260101.parquet.ab12cd_9.parquet", "stages/tune/old", "tmpabcdefgh"}
    assert all(other.exists() for other in others)


def write_look(write: Callable[..., Path], name: str, *, drifted: bool, days: float) -> None:
    """What a look leaves, and its copy in the Evidently workspace."""
    look = f"monitoring/news/{name}"
    write(f"{look}/evidently.html", days=days)
    write(f"{look}/evidently.json", days=days)
    write(f"{look}/decision/record.json", days=days, text="{}")
    write(f"{look}/record.json", days=days, text=json.dumps({"window": f"window of {name}", "drifted": drifted}))
    write(f"evidently/0-1/snapshots/{name}.json", days=days, text=json.dumps({"name": f"window of {name}", "widgets": []}))


def test_pages_of_looks_that_found_nothing_are_removed_and_what_they_say_is_kept(write):
    for name, drifted, days in (("quiet", False, 40), ("young", False, 3), ("drift", True, 400)):
        write_look(write, name, drifted=drifted, days=days)
    write("evidently/0-1/metadata.json", days=400)
    write("evidently/0-1/snapshots/broken.json", days=400, text="{")
    for look, record in (("cut-short", None), ("damaged", "{")):
        write(f"monitoring/news/{look}/evidently.html", days=400)
        if record:
            write(f"monitoring/news/{look}/record.json", days=400, text=record)
    assert removed() == {"monitoring/news/quiet/evidently.html", "evidently/0-1/snapshots/quiet.json"}
    assert (WORKSPACE / "monitoring/news/quiet/record.json").exists()
    assert (WORKSPACE / "monitoring/news/quiet/evidently.json").exists()


def test_a_dry_run_only_tells(write):
    old = write("stages/tune/old/record.json", days=40)
    assert removed("--dry-run") == {"stages/tune/old"}
    assert old.exists()
    assert removed("--dry-run", "--days", "50") == set()


def test_nothing_is_removed_while_a_task_of_the_workspace_runs(write):
    old = write("stages/tune/old/record.json", days=40)
    with only_run("news", str(WORKSPACE)), pytest.raises(BusyError, match=r"task news: process .* is already running it"):
        removed()
    assert old.exists()


def test_people_read_sizes_and_a_sum(write):
    write("features/unread.npy", days=400, text="x" * 2 * 2**20)
    said = CliRunner().invoke(command, [], catch_exceptions=False).stdout.splitlines()
    assert said == ["       2.0 MiB  .rootstock/features/unread.npy", "2.0 MiB in 1 place removed"]
    assert CliRunner().invoke(command, [], catch_exceptions=False).stdout == "nothing to remove\n"
