from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rootstock import journal
from rootstock.errors import BusyError, ServiceError
from rootstock.journal import append, read_journal
from rootstock.params import RegistrationParams
from rootstock.registration import mlflow_registry, steps
from rootstock.registration.aliases import Aliases, read_intended
from rootstock.registration.by_hand import promote
from rootstock.registration.chain import HEAD_TAG, check_chain
from rootstock.registration.mlflow_registry import find_aliases, set_alias, tracking
from rootstock.registration.reconcile import reconcile, reconcile_if_reachable
from rootstock.registration.versions import find_version

Add = Callable[..., str]
MODEL = "tiny-model"


def look(registration: RegistrationParams, workspace: str) -> Aliases:
    return reconcile(registration=registration, workspace=workspace)


@pytest.fixture
def promoted(add_version: Add, registration: RegistrationParams, workspace: str, loads: None) -> str:
    """A workspace in which version 2 is champion, 1 previous, and there is a version 3."""
    for _ in range(3):
        add_version()
    for number in ("1", "2"):
        promote(number, registration=registration, workspace=workspace, reason="r")
    return workspace


def test_nothing_is_written_where_there_is_nothing_to_do(promoted: str, registration: RegistrationParams) -> None:
    before = {path.name: path.read_bytes() for path in Path(promoted, "journal").iterdir()}
    assert look(registration, promoted) == Aliases(champion="2", previous="1")
    assert {path.name: path.read_bytes() for path in Path(promoted, "journal").iterdir()} == before


def test_a_model_never_registered_has_no_aliases_and_no_journal(registration: RegistrationParams, workspace: str) -> None:
    assert look(registration, workspace) == Aliases()
    assert not Path(workspace, "journal").exists()


def test_aliases_from_before_the_journal_are_adopted(
    add_version: Add, registration: RegistrationParams, workspace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add_version()
    set_alias(tracking(workspace), MODEL, "champion", "1")
    assert look(registration, workspace) == look(registration, workspace) == Aliases(champion="1")
    (entry,) = read_journal(workspace)
    assert (entry.kind, entry.facts["aliases"]["champion"]) == ("adoption", "1")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("alias", "to", "said"),
    [
        ("champion", "3", "champion from 2 to 3"),
        ("champion", None, "champion from 2 to none"),
        ("previous", "3", "previous from 1 to 3"),
        ("challenger", "3", "challenger from none to 3"),
    ],
)
def test_an_alias_moved_by_plain_mlflow_calls_is_reported_once_noted_and_kept(
    alias: str, to: str | None, said: str, promoted: str, registration: RegistrationParams, capsys: pytest.CaptureFixture[str]
) -> None:
    set_alias(tracking(promoted), MODEL, alias, to)
    find_version(MODEL, "1", workspace=promoted)
    assert said in capsys.readouterr().err, "a command that only reads reports it too"
    found = look(registration, promoted)
    assert getattr(found, alias) == to
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert look(registration, promoted) == found
    find_version(MODEL, "1", workspace=promoted)
    assert capsys.readouterr().err == ""
    last = read_journal(promoted)[-1]
    assert (last.kind, last.facts["moves"]) == ("outside_move", said)


def test_aliases_of_other_peoples_making_are_their_own(
    promoted: str, registration: RegistrationParams, capsys: pytest.CaptureFixture[str]
) -> None:
    set_alias(tracking(promoted), MODEL, "canary", "3")
    before = read_journal(promoted)
    look(registration, promoted)
    assert (read_journal(promoted), capsys.readouterr().err) == (before, "")


def break_off(promoted: str, registration: RegistrationParams, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promotion of version 3 that fails once its intent is written."""

    def fail(*args: object) -> None:
        raise ServiceError("down")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_registry, "set_alias", fail)
        with pytest.raises(ServiceError):
            promote("3", registration=registration, workspace=promoted, reason="r")


def test_a_promotion_broken_off_by_the_service_is_completed_by_the_next_command(
    promoted: str, registration: RegistrationParams, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_off(promoted, registration, monkeypatch)
    assert find_aliases(tracking(promoted), MODEL) == {"champion": "2", "previous": "1"}
    assert not read_intended(promoted, MODEL).settled
    assert look(registration, promoted) == Aliases(champion="3", previous="2")
    assert find_aliases(tracking(promoted), MODEL) == {"champion": "3", "previous": "2"}
    assert read_intended(promoted, MODEL).settled
    assert capsys.readouterr().err == ""


def test_a_broken_promotion_whose_version_was_deleted_is_given_up(
    promoted: str, registration: RegistrationParams, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_off(promoted, registration, monkeypatch)
    tracking(promoted).delete_model_version(MODEL, "3")
    assert look(registration, promoted) == Aliases(champion="2", previous="1")
    assert "given up: version 3 was deleted in the meantime" in capsys.readouterr().err
    assert look(registration, promoted) == Aliases(champion="2", previous="1")


def test_a_broken_promotion_gives_way_to_a_hand_that_moved_the_alias_since(
    promoted: str, registration: RegistrationParams, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_off(promoted, registration, monkeypatch)
    set_alias(tracking(promoted), MODEL, "champion", "1")
    assert look(registration, promoted).champion == "1"
    assert "given up: alias 'champion' was moved in the meantime" in capsys.readouterr().err


def test_a_command_that_was_away_for_longer_than_its_lease_leaves_the_rest_to_the_one_that_took_over(
    promoted: str, registration: RegistrationParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(step: str) -> None:
        if step == "intended":
            monkeypatch.setattr(steps, "reached", lambda step: None)
            time.sleep(1.1)
            assert look(registration, promoted) == Aliases(champion="3", previous="2")
            promote("1", registration=registration, workspace=promoted, reason="meanwhile")

    monkeypatch.setattr(steps, "reached", away)
    brief = registration.model_copy(update={"lease_seconds": 1.0})
    with pytest.raises(BusyError, match="the lease ran out while this command was at work"):
        promote("3", registration=brief, workspace=promoted, reason="r")
    assert look(registration, promoted) == Aliases(champion="1", previous="3")
    assert find_aliases(tracking(promoted), MODEL) == {"champion": "1", "previous": "3"}


def test_two_models_of_one_workspace_do_not_mix(promoted: str, registration: RegistrationParams) -> None:
    other = registration.model_copy(update={"model": "other-model"})
    client = tracking(promoted)
    client.create_registered_model("other-model")
    client.create_model_version("other-model", "somewhere/else", tags={"rootstock.verdict": "pass"})
    promote("1", registration=other, workspace=promoted, reason="r")
    assert look(other, promoted) == Aliases(champion="1")
    assert look(registration, promoted) == Aliases(champion="2", previous="1")
    assert check_chain(MODEL, workspace=promoted) == check_chain("other-model", workspace=promoted) == ()


def test_an_entry_on_something_else_does_not_break_a_promotion_in_two(
    promoted: str, registration: RegistrationParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = journal.append, []

    def interrupted(workspace: str, kind: str, facts: dict[str, object], *, after: int | None) -> journal.Entry:
        if not calls:
            calls.append(kind)
            real(workspace, "drift", {}, after=None)
        return real(workspace, kind, facts, after=after)

    monkeypatch.setattr(journal, "append", interrupted)
    promote("3", registration=registration, workspace=promoted, reason="r")
    assert [entry.kind for entry in read_journal(promoted)[-3:]] == ["drift", "promotion", "settled"]


def test_a_command_that_only_tells_notes_a_move_too_and_does_without_a_registry(
    promoted: str, registration: RegistrationParams, capsys: pytest.CaptureFixture[str]
) -> None:
    set_alias(tracking(promoted), MODEL, "champion", "3")
    reconcile_if_reachable(registration=registration, workspace=promoted)
    assert "champion from 2 to 3" in capsys.readouterr().err
    reconcile_if_reachable(registration=registration, workspace="nowhere")
    assert not Path("nowhere").exists()
    Path(promoted, "mlflow.db").write_bytes(b"not a database" * 500)
    reconcile_if_reachable(registration=registration, workspace=promoted)
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not known: MLflow" in line


# ---- the end of the chain -------------------------------------------------------------------------------------------------


def test_the_registry_names_the_end_of_the_journal(promoted: str) -> None:
    tags = tracking(promoted).get_registered_model(MODEL).tags
    assert tags[HEAD_TAG] == f"{journal.head(promoted)}:{journal.head_sha256(promoted)}"
    assert check_chain(MODEL, workspace=promoted) == ()


def test_an_entry_after_the_mirrored_one_is_no_fault(promoted: str) -> None:
    append(promoted, "drift", {}, after=None)
    assert check_chain(MODEL, workspace=promoted) == ()


def test_a_cut_end_is_told_and_is_told_still_after_the_journal_went_on(
    promoted: str, registration: RegistrationParams, capsys: pytest.CaptureFixture[str]
) -> None:
    (Path(promoted) / "journal/000004.json").unlink()
    (fault,) = check_chain(MODEL, workspace=promoted)
    assert "the registry names entry 4 of the journal" in fault
    assert "the journal ends with entry 3" in fault
    look(registration, promoted)
    assert "the journal ends with entry 3" in capsys.readouterr().err
    promote("3", registration=registration, workspace=promoted, reason="r")
    assert any("the journal ends with entry 3" in line for line in check_chain(MODEL, workspace=promoted))


def test_a_changed_last_entry_is_told(promoted: str) -> None:
    last = Path(promoted) / "journal/000004.json"
    last.chmod(0o644)
    last.write_text(last.read_text(encoding="utf-8").replace('"entry": 3', '"entry": 1'), encoding="utf-8")
    (fault,) = check_chain(MODEL, workspace=promoted)
    assert "names entry 4 of the journal" in fault


def test_a_journal_that_is_gone_is_told_and_the_aliases_are_adopted(
    promoted: str, registration: RegistrationParams, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(Path(promoted) / "journal")
    assert look(registration, promoted) == Aliases(champion="2", previous="1")
    assert "found nothing: the journal ends with entry 0" in capsys.readouterr().err
    assert [entry.kind for entry in read_journal(promoted)] == ["broken_chain", "adoption"]
