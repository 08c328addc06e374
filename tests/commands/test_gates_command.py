"""``rootstock gates``: what the panel can tell before a run, and what it would have said of runs that are over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from rootstock.errors import InputError
from rootstock.evaluation.decide import decide
from rootstock.evaluation.looks import looks_after
from rootstock.evaluation.measures import Answers, measure_models
from rootstock.files import sha256_of
from rootstock.journal import append
from rootstock.params import GatesParams
from rootstock.records import Artifact, EvalReport, Scored
from rootstock_flows.commands.data import command as data_command
from rootstock_flows.commands.gates import command

LABELS = ("a", "b")
PANEL = [
    {"name": "floor", "measure": "accuracy", "at_least": 0.6},
    {"name": "against_champion", "claim": "superiority", "measure": "accuracy", "margin": None},
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params_mapping: Callable[[], dict[str, Any]]) -> Path:
    params = params_mapping()
    params["gates"] = {"alpha": 0.05, "looks": 52, "panel": PANEL}
    params["data"] |= {"target": "news", "labelled_rows_per_class": None}
    params["data"]["columns"] |= {"keep": ["region"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def write_run(project: Path, number: int, *, right: float, champion: float | None = None, rows: int = 400) -> None:
    """A finished run: its predictions, its verdict by the panel above, its document, its entry in the journal."""
    place = np.arange(rows)
    truth = place % 2
    said = {"model": np.where(place < right * rows, truth, 1 - truth)}
    if champion is not None:
        said["champion"] = np.where(place >= (1 - champion) * rows, truth, 1 - truth)
    names = np.array(LABELS)
    table = pd.DataFrame({"id": [f"r{i:04d}" for i in place], "label": names[truth]})
    for name, found in said.items():
        table[f"predicted:{name}"] = names[found]
    folder = Path(".rootstock") / "stages" / "evaluate" / f"run{number}"
    folder.mkdir(parents=True)
    table.to_parquet(folder / "predictions.parquet")
    answers = {name: Answers(truth, 0.8 * np.eye(2)[found] + 0.1) for name, found in said.items()}
    measures = measure_models(answers, confidence=0.95, draws=100, bins=5, seed=0)
    report = EvalReport(
        dataset="news", revision=f"news/v{number}", labels=LABELS, source=None, measures=measures["model"], per_class={},
        baselines=(), confusion=(), predictions=Artifact.of(folder / "predictions.parquet"), seconds=0.0,
        champion=Scored(name="champion", measures=measures["champion"], note="") if champion is not None else None,
        champion_labels=LABELS if champion is not None else (),
    )  # fmt: skip
    gates = GatesParams.model_validate({"alpha": 0.05, "looks": 52, "panel": PANEL})
    verdict = decide(report, looks_after([], gates), gates=gates, folder=Path())
    key = f"{number:064x}"[::-1]
    document = {
        "run_key": key, "data": {"revision": report.revision}, "evaluation": report.model_dump(mode="json"),
        "verdict": verdict.model_dump(mode="json"),
    }  # fmt: skip
    path = Path(".rootstock") / "runs" / key[:16] / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    compared = str(number) if champion is not None else None
    append(".rootstock", "decision", {"run_key": key, "compared_with": compared}, after=None)


@pytest.fixture
def ten_runs(project: Path) -> Path:
    for number in range(10):
        write_run(project, number, right=0.7 + 0.02 * number, champion=0.7 if number else None)
    return project


def test_a_changed_floor_changes_the_decisions_it_should_over_ten_runs_in_seconds(ten_runs: Path) -> None:
    began = time.monotonic()
    found = json.loads(call("replay", "--set", "gates.panel.0.at_least=0.87", "--json"))
    assert time.monotonic() - began < 5
    assert len(found["runs"]) == 10
    assert [entry["revision"] for entry in found["runs"]] == [f"news/v{number}" for number in range(10)]
    changed = [entry for entry in found["runs"] if entry["changed"]]
    assert changed
    for entry in changed:
        floor = next(gate for gate in entry["gates"] if gate["gate"] == "floor")
        assert (floor["was"], floor["would_be"] != "pass") == ("pass", True)
    assert found["changed"] == len(changed)


def test_the_panel_as_it_was_changes_nothing(ten_runs: Path) -> None:
    found = json.loads(call("replay", "--json"))
    assert (found["changed"], found["skipped"]) == (0, [])
    assert {entry["level"] for entry in found["runs"]} == {0.05 / 52}


def test_fewer_looks_are_spent_in_the_order_of_the_runs(ten_runs: Path) -> None:
    found = json.loads(call("replay", "--set", "gates.looks=4", "--json"))
    assert [entry["level"] for entry in found["runs"]] == [0.0125] * 5 + [0.0] * 5


def test_replay_trains_nothing_writes_nothing_and_loads_no_heavy_library(ten_runs: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in ten_runs.rglob("*") if path.is_file()}
    code = (
        "import sys; from rootstock_flows.commands.gates import command; "
        "command(['replay', '--set', 'gates.panel.0.at_least=0.8'], standalone_mode=False); "
        "print(sorted({'torch', 'mlflow', 'prefect', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ten_runs, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert "decisions would change" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in ten_runs.rglob("*") if path.is_file()} == before


def test_a_run_that_cannot_be_judged_is_named_with_its_reason(ten_runs: Path) -> None:
    runs = sorted(Path(".rootstock/runs").iterdir())
    document = json.loads((runs[0] / "run.json").read_text())
    (runs[0] / "run.json").write_text(json.dumps(document | {"evaluation": None, "verdict": None}))
    Path(json.loads((runs[1] / "run.json").read_text())["evaluation"]["predictions"]["path"]).write_bytes(b"other")
    found = json.loads(call("replay", "--json"))
    assert len(found["runs"]) == 8
    reasons = sorted(entry["reason"] for entry in found["skipped"])
    assert reasons[0] == "it ended before anything was measured"
    assert reasons[1].endswith("was changed; run the evaluate stage again")


def test_a_gate_that_reads_what_was_not_kept_is_left_out_and_named(ten_runs: Path) -> None:
    gate = "{name: fairness_gap, groups: {region: null}, rate: error, of: null, at_most: 0.1, alpha: 0.05}"
    floor = "{name: floor, measure: accuracy, at_least: 0.6}"
    found = json.loads(call("replay", "--set", f"gates.panel=[{floor}, {gate}]", "--json"))
    assert all("unknown column 'region'" in entry["silent"]["fairness_gap"] for entry in found["runs"])


def test_a_workspace_without_runs_says_so(project: Path) -> None:
    with pytest.raises(InputError, match="expected runs to judge anew, found none"):
        call("replay")


@pytest.fixture
def news(project: Path) -> Path:
    rows = [f"text number {i} of a kind,{'a' if i % 4 else 'b'},{'north' if i % 5 else 'south'}" for i in range(400)]
    (project / "news.csv").write_text("text,label,region\n" + "\n".join(rows) + "\n")
    done = CliRunner().invoke(data_command, ["add", "news", "news.csv"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return project


def test_power_says_what_the_rows_can_show_before_any_run(news: Path) -> None:
    found = json.loads(call("power", "--difference", "0.02", "--json"))
    assert (found["rows"], found["revision"]) == (200, "news/v1")
    assert found["expected"]["source"].startswith("assumed")
    champion = next(gate for gate in found["gates"] if gate["gate"] == "against_champion")
    assert champion["level"] == pytest.approx(0.05 / 52)
    assert 3500 < champion["rows_needed"] < 4500
    assert "against_champion" in call("power", "--difference", "0.02")


def test_power_counts_the_rows_of_kept_columns_and_rests_on_what_is_given(news: Path) -> None:
    gate = "{name: fairness_gap, groups: {region: null}, rate: error, of: null, at_most: 0.1, alpha: 0.05}"
    arguments = ("power", "--accuracy", "0.9", "--discordance", "0.05", "--set", f"gates.panel=[{gate}]", "--json")
    found = json.loads(call(*arguments))
    assert found["expected"] == {"accuracy": 0.9, "discordance": 0.05, "source": "as given"}
    assert [(each["gate"], each["rows"], each["wanted"]) for each in found["gates"]] == [("fairness_gap", 200, 0.1)]


def test_power_rests_on_the_newest_run_where_there_is_one(news: Path) -> None:
    write_run(news, 1, right=0.75, champion=0.75)
    found = json.loads(call("power", "--json"))
    assert found["expected"]["accuracy"] == pytest.approx(0.75)
    assert found["expected"]["discordance"] == pytest.approx(0.5)
    assert "the champion" in found["expected"]["source"]
    assert found["looks"]["spent"] == 1


def test_rows_predicted_out_of_fold_count_for_fewer(news: Path) -> None:
    held = json.loads(call("power", "--difference", "0.02", "--json"))
    changed = ("--set", "data.test_fraction=null", "--set", "evaluation.rows=out_of_fold", "--set", "evaluation.folds=5")
    found = json.loads(call("power", "--difference", "0.02", *changed, "--json"))
    assert (found["rows"], found["variance_inflation"]) == (400, 2.25)
    before, after = (next(gate for gate in each["gates"] if gate["gate"] == "against_champion") for each in (held, found))
    assert after["rows_needed"] == pytest.approx(2.25 * before["rows_needed"], abs=1)
    assert after["rows"] == pytest.approx(400, abs=1)


def test_a_pipeline_without_gates_has_nothing_to_tell(news: Path) -> None:
    with pytest.raises(InputError, match="expected a panel, found none"):
        call("power", "--set", "gates=none")


def test_power_counts_rows_of_a_group_for_as_many_as_the_newest_run_showed(project: Path) -> None:
    """Rows of one group are all alike in that run: about as many of them as a group has count for one."""
    frame = pd.DataFrame({"text": [f"text {n}" for n in range(400)], "label": [LABELS[n % 2] for n in range(400)]})
    frame.assign(region="north", customer=[f"c{n // 8}" for n in range(400)]).to_csv("grouped.csv", index=False)
    added = CliRunner().invoke(data_command, ["add", "news", "grouped.csv", "--set", "data.columns.group=customer"])
    assert added.exit_code == 0, added.output
    grouped = ("--set", "data.columns.group=customer", "--set", "data.test_fraction=0.5")
    before = json.loads(call("power", *grouped, "--json"))
    assert (before["design_effect"], before["variance_inflation"]) == (1.0, 1.0)
    assert before["groups"] == 25
    assert "The rows are of 25 groups and hang together: what they have in common a run will tell." in call("power", *grouped)
    write_run(project, 0, right=0.7, champion=0.5)
    path = next(Path(".rootstock/stages/evaluate").rglob("predictions.parquet"))
    rows = pd.read_parquet(path)
    rows.assign(group=[f"c{n // 8}" for n in range(len(rows))]).to_parquet(path)
    document = next(Path(".rootstock/runs").rglob("run.json"))
    run = json.loads(document.read_text(encoding="utf-8"))
    run["evaluation"]["predictions"] |= {"sha256": sha256_of(path)}
    document.write_text(json.dumps(run), encoding="utf-8")
    after = json.loads(call("power", *grouped, "--json"))
    assert after["design_effect"] == pytest.approx(8.0, rel=0.1)
    smallest = {each["gate"]: each["smallest"] for each in before["gates"]}
    assert all(each["smallest"] > smallest[each["gate"]] for each in after["gates"])
