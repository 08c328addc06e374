"""Whether the chain of evidence is whole, and what it names still there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rootstock.journal import append, journal_folder, read_journal
from rootstock.records import Registration
from rootstock.registration import audit as module
from rootstock.registration.audit import Audit, audit

Stage = Callable[..., Registration]


def look(workspace: str, *, offline: bool = False) -> Audit:
    return audit("tiny-model", workspace=workspace, offline=offline)


def write(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def flip(path: Path, place: int) -> None:
    """Change one byte to another that is no control character."""
    data = bytearray(path.read_bytes())
    data[place] = ord("7") if data[place] != ord("7") else ord("8")
    write(path, bytes(data))


def test_a_workspace_as_it_was_left_has_no_faults(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    run_stage(1, run_key="b2", champion="1")
    run_stage(1, run_key="c3", verdict="fail", champion="2")
    found = look(workspace)
    assert found.faults == ()
    assert (found.decisions, found.artifacts) == (3, 3 * 2 + 2)


def test_an_empty_workspace_has_nothing_to_find(workspace: str) -> None:
    assert look(workspace) == Audit(entries=0, decisions=0, artifacts=0, faults=())


def test_one_byte_changed_in_any_entry_is_named(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    run_stage(1, run_key="b2", champion="1")
    entries = sorted(journal_folder(workspace).glob("0*.json"))
    assert len(entries) >= 6
    for number, path in enumerate(entries, start=1):
        whole = path.read_bytes()
        for place in (0, len(whole) // 3, len(whole) // 2, len(whole) - 4):
            flip(path, place)
            # Only the registry vouches for the last one, and asking it takes longer.
            faults = " ".join(look(workspace, offline=path != entries[-1]).faults)
            assert path.name in faults or f"entry {number} " in faults or f"entry {number}:" in faults, (path, place, faults)
            write(path, whole)
    assert look(workspace).faults == ()


def test_changed_predictions_and_a_changed_model_are_named_with_entry_and_version(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    (entry,) = [entry for entry in read_journal(workspace) if entry.kind == "decision"]
    predictions = Path(entry.facts["predictions"]["path"])
    write(predictions, predictions.read_bytes() + b" ")
    shutil.rmtree(entry.facts["training"]["model"]["path"])
    assert look(workspace, offline=True).faults == (
        f"entry {entry.number} (version 1): predictions: {predictions} was changed",
        f"entry {entry.number} (version 1): trained model: {entry.facts['training']['model']['path']} is gone",
    )


def test_a_model_changed_in_the_artifact_store_is_named(run_stage: Stage, workspace: str, project: Path) -> None:
    run_stage(0, run_key="a1")
    (head,) = (project / ".rootstock" / "mlartifacts").rglob("head.safetensors")
    head.write_bytes(head.read_bytes() + b" ")
    (fault,) = look(workspace).faults
    assert "(version 1): registry: version 1: expected a model folder" in fault
    assert look(workspace, offline=True).faults == ()


def test_a_version_deleted_from_the_registry_is_named(run_stage: Stage, workspace: str) -> None:
    from rootstock.registration import mlflow_registry

    run_stage(0, run_key="a1")
    run_stage(1, run_key="b2", champion="1")
    mlflow_registry.tracking(workspace).delete_model_version("tiny-model", "1")
    assert any("registry: version 1 is gone" in fault for fault in look(workspace).faults)


def test_a_cut_end_is_noticed_by_the_registry_and_not_without_it(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    last = max(journal_folder(workspace).glob("0*.json"))
    last.unlink()
    assert "the registry names entry" in " ".join(look(workspace).faults)
    assert look(workspace, offline=True).faults == ()


def test_an_entry_that_cannot_be_read_ends_the_look_but_not_with_an_error(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    write(journal_folder(workspace) / "000001.json", b"{}")
    found = look(workspace)
    assert found.decisions == 0
    assert any("000001.json" in fault for fault in found.faults)


def test_a_store_that_cannot_give_a_version_is_a_fault_and_no_error(
    run_stage: Stage, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(0, run_key="a1")

    def broken(uri: str, folder: Path) -> Path:
        raise FileNotFoundError(uri)

    monkeypatch.setattr(module.registry, "fetch_model", broken)
    assert any("version 1 cannot be downloaded: models:/tiny-model/1" in fault for fault in look(workspace).faults)


def test_of_many_versions_one_at_a_time_is_on_disk_and_none_in_the_workspace(
    run_stage: Stage, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, key in enumerate(("a1", "b2", "c3")):
        run_stage(number % 2, run_key=key, champion=str(number) if number else None)
    fetch, there = module.registry.fetch_model, []

    def counting(uri: str, folder: Path) -> Path:
        assert not folder.absolute().is_relative_to(Path(workspace).absolute()), "a workspace may be for reading only"
        assert not any(each.exists() for each in there)
        there.append(fetch(uri, folder))
        return there[-1]

    monkeypatch.setattr(module.registry, "fetch_model", counting)
    assert look(workspace).faults == ()
    assert len(there) == 3


def test_the_facts_of_a_decision_are_plain_json_with_everything_by_name_and_hash(run_stage: Stage, workspace: str) -> None:
    done = run_stage(0, run_key="a1", champion=None)
    (entry,) = [entry for entry in read_journal(workspace) if entry.kind == "decision"]
    facts = json.loads(json.dumps(entry.facts))
    assert facts == entry.facts
    assert (facts["trigger"], facts["version"], facts["compared_with"], facts["approver"]) == ("by hand", done.version, None, None)
    assert facts["mlflow_run_id"] == done.run_id
    assert facts["data"]["target"]["revision"] == "tiny/v3"
    assert [source["md5"] for source in facts["data"]["sources"]] == [f"{5:032d}", f"{6:032d}"]
    assert (facts["ranking"]["chosen"], facts["ranking"]["predicted_gain"]["value"]) == ("films on tiny", 0.25)
    assert [rung["name"] for rung in facts["evaluation"]["baselines"]] == ["majority", "no_transfer"]
    assert len(facts["code"]["rootstock"]) == len(facts["params_sha256"]) == len(facts["model_sha256"]) == 64
    assert facts["environment"]["python"]
    assert facts["params"]["task"] == "tiny-task"


@pytest.mark.parametrize("fact", ["model", "version", "model_sha256", "training"])
def test_what_a_decision_of_another_version_does_not_name_is_not_looked_for(run_stage: Stage, workspace: str, fact: str) -> None:
    run_stage(0, run_key="a1")
    (entry,) = [entry for entry in read_journal(workspace) if entry.kind == "decision"]
    append(workspace, "decision", {key: value for key, value in entry.facts.items() if key != fact}, after=None)
    found = look(workspace)
    assert (found.decisions, found.faults) == (2, ())
