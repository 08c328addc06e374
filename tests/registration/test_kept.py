"""What a run began with, as the registry keeps it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rootstock.errors import DataError
from rootstock.journal import Entry, read_journal
from rootstock.params import RegistrationParams, SimilarityParams
from rootstock.records import Artifact, History, Incumbent, Registration
from rootstock.registration import mlflow_registry
from rootstock.registration.kept import kept_history, kept_incumbent
from rootstock.registration.versions import find_incumbent

Stage = Callable[..., Registration]


def decision_of(workspace: str, run_key: str) -> Entry:
    (entry,) = [each for each in read_journal(workspace) if each.kind == "decision" and each.facts["run_key"] == run_key]
    return entry


@pytest.fixture
def met_a_champion(run_stage: Stage, workspace: str, registration: RegistrationParams) -> tuple[Entry, Incumbent]:
    """A run that met version 1, with its decision and what it met."""
    run_stage(0, run_key="a1")
    similarity = SimilarityParams.model_construct(earlier_versions=2)
    incumbent = find_incumbent(registration=registration, similarity=similarity, workspace=workspace, folder=Path("incumbent"))
    done = run_stage(1, run_key="b2", champion="1")
    mlflow_registry.tracking(workspace).log_text(done.run_id, incumbent.model_dump_json(), "records/incumbent.json")
    return decision_of(workspace, "b2"), incumbent


def test_a_run_that_met_nobody_began_with_nobody(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    found = kept_incumbent(decision_of(workspace, "a1"), workspace=workspace, folder=Path("again"))
    assert found == Incumbent(version=None, model=None, run_key=None, earlier=())
    assert not Path("again").exists()


def test_the_champion_is_downloaded_again_and_is_the_same(met_a_champion: tuple[Entry, Incumbent], workspace: str) -> None:
    entry, before = met_a_champion
    found = kept_incumbent(entry, workspace=workspace, folder=Path("again"))
    assert found.sha256() == before.sha256()
    assert found.model == Artifact.of(Path("again/version-1"))


def test_another_model_under_the_champions_version_is_an_error(met_a_champion: tuple[Entry, Incumbent], workspace: str) -> None:
    entry, before = met_a_champion
    assert before.model is not None
    other = before.model_copy(update={"model": before.model.model_copy(update={"sha256": "0" * 64})})
    run_id = entry.facts["mlflow_run_id"]
    mlflow_registry.tracking(workspace).log_text(run_id, other.model_dump_json(), "records/incumbent.json")
    with pytest.raises(DataError, match=r"version 1: expected the folder 000000000000 that entry \d+ was compared with, found"):
        kept_incumbent(entry, workspace=workspace, folder=Path("again"))


def test_the_history_is_given_back_and_another_one_is_an_error(run_stage: Stage, workspace: str) -> None:
    done = run_stage(0, run_key="a1")
    entry = decision_of(workspace, "a1")
    assert kept_history(entry, workspace=workspace) == History(outcomes=())
    changed = entry.model_copy(update={"facts": {**entry.facts, "history": {"sha256": "1" * 64, "outcomes": 1}}})
    with pytest.raises(DataError, match=r"expected the history 111111111111 that entry \d+ names"):
        kept_history(changed, workspace=workspace)
    mlflow_registry.tracking(workspace).log_text(done.run_id, '{"outcomes": [1]}', "records/history.json")
    with pytest.raises(DataError, match="is of another version of Rootstock"):
        kept_history(entry, workspace=workspace)


def test_a_run_without_its_records_cannot_be_gone_through_again(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    entry = decision_of(workspace, "a1")
    lost = entry.model_copy(update={"facts": {**entry.facts, "mlflow_run_id": "0" * 32}})
    with pytest.raises(DataError, match=r"expected its record 'history', found none; entry \d+ cannot be reproduced"):
        kept_history(lost, workspace=workspace)
