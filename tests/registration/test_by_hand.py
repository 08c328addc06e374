from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rootstock.errors import BusyError, InputError, Refusal
from rootstock.journal import read_journal
from rootstock.params import RegistrationParams
from rootstock.records import Registration
from rootstock.registration import mlflow_registry
from rootstock.registration.by_hand import promote, rollback
from rootstock.registration.lease import lease
from rootstock.registration.versions import list_versions

Stage = Callable[..., Registration]
Add = Callable[..., str]
MODEL = "tiny-model"


def aliases(workspace: str) -> dict[str, str]:
    return mlflow_registry.find_aliases(mlflow_registry.tracking(workspace), MODEL)


def kinds(workspace: str) -> list[str]:
    return [entry.kind for entry in read_journal(workspace) if entry.kind != "settled"]


@pytest.mark.usefixtures("loads")
def test_a_promotion_moves_champion_and_previous_and_is_written_with_its_reason(
    add_version: Add, registration: RegistrationParams, workspace: str
) -> None:
    for _ in range(2):
        add_version()
    promote("1", registration=registration, workspace=workspace, reason="the first")
    done = promote("2", registration=registration, workspace=workspace, reason="the second")
    assert (done.before, done.champion) == ("1", "2")
    assert aliases(workspace) == {"champion": "2", "previous": "1"}
    intent, settled = read_journal(workspace)[-2:]
    assert (intent.kind, intent.number, settled.kind, settled.facts["entry"]) == ("promotion", done.entry, "settled", intent.number)
    assert intent.facts["aliases"] == {"champion": "2", "previous": "1", "challenger": None}
    assert (intent.facts["version"], intent.facts["reason"], intent.facts["expected"]) == ("2", "the second", "1")
    assert list_versions(MODEL, workspace=workspace)[1].tags["rootstock.moved"] == "the second"


@pytest.mark.usefixtures("loads")
def test_promoting_the_champion_again_writes_nothing(add_version: Add, registration: RegistrationParams, workspace: str) -> None:
    add_version()
    promote("1", registration=registration, workspace=workspace, reason="r")
    before = read_journal(workspace)
    assert promote("1", registration=registration, workspace=workspace, reason="again").entry is None
    assert read_journal(workspace) == before


@pytest.mark.usefixtures("loads")
def test_promoting_the_previous_version_leaves_it_one_alias(
    add_version: Add, registration: RegistrationParams, workspace: str
) -> None:
    for number in ("1", "2"):
        add_version()
        promote(number, registration=registration, workspace=workspace, reason="r")
    promote("previous", registration=registration, workspace=workspace, reason="better after all")
    assert aliases(workspace) == {"champion": "1", "previous": "2"}


@pytest.mark.usefixtures("loads")
@pytest.mark.parametrize(
    ("expect", "said"),
    [("3", "expected version 3 to be champion, found version 1"), ("none", "expected no champion, found version 1")],
)
def test_another_champion_than_the_expected_one_is_a_refusal_that_names_both(
    expect: str, said: str, add_version: Add, registration: RegistrationParams, workspace: str
) -> None:
    for _ in range(2):
        add_version()
    promote("1", registration=registration, workspace=workspace, reason="r", expect="none")
    before = read_journal(workspace)
    with pytest.raises(Refusal, match=said):
        promote("2", registration=registration, workspace=workspace, reason="r", expect=expect)
    assert (aliases(workspace), read_journal(workspace)) == ({"champion": "1"}, before)


@pytest.mark.usefixtures("loads")
@pytest.mark.parametrize(
    ("verdict", "said"), [("inconclusive", "its gates said 'inconclusive'"), (None, "no gates of Rootstock's")]
)
def test_a_version_that_did_not_pass_is_refused_without_override_and_marked_for_ever_with_it(
    verdict: str | None, said: str, add_version: Add, registration: RegistrationParams, workspace: str
) -> None:
    add_version(verdict)
    with pytest.raises(Refusal, match=rf"version 1 is not promoted: {said}.*--override"):
        promote("1", registration=registration, workspace=workspace, reason="r")
    assert (aliases(workspace), kinds(workspace)) == ({}, [])
    promote("1", registration=registration, workspace=workspace, reason="a customer waits", way="override")
    assert (aliases(workspace), kinds(workspace)) == ({"champion": "1"}, ["override"])
    assert list_versions(MODEL, workspace=workspace)[0].tags["rootstock.tainted"].endswith("a customer waits")


@pytest.mark.usefixtures("loads")
@pytest.mark.parametrize("way", ["override", "rebaseline", "approve"])
def test_a_way_that_a_passing_version_does_not_need_is_an_error(
    way: str, add_version: Add, registration: RegistrationParams, workspace: str
) -> None:
    add_version()
    with pytest.raises(InputError, match=f"leave --{way} out"):
        promote("1", registration=registration, workspace=workspace, reason="r", way=way, by="Ann")  # type: ignore[arg-type]
    assert aliases(workspace) == {}


def test_a_passing_model_waits_where_approval_is_manual_until_somebody_gives_it(
    run_stage: Stage, registration: RegistrationParams, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual = registration.model_copy(update={"approval": "manual"})

    def broken_off(*args: object, **kwargs: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_registry, "end_run", broken_off)
        with pytest.raises(RuntimeError):
            run_stage(0, run_key="a1", registration=manual)
    done = run_stage(0, run_key="a1", registration=manual)
    assert (done.version, done.alias, done.waits) == ("1", None, True)
    assert "rootstock promote 1 --approve --by NAME --reason ..." in done.reason
    assert run_stage(0, run_key="a1", registration=manual) == done
    assert (aliases(workspace), kinds(workspace)) == ({}, ["decision", "waiting"])
    with pytest.raises(Refusal, match="--approve --by NAME"):
        promote("1", registration=registration, workspace=workspace, reason="r")
    with pytest.raises(InputError, match="expected --by NAME"):
        promote("1", registration=registration, workspace=workspace, reason="r", way="approve")
    promote("1", registration=registration, workspace=workspace, reason="looked at it", way="approve", by="Ann")
    assert (aliases(workspace), kinds(workspace)) == ({"champion": "1"}, ["decision", "waiting", "approval"])
    approval = read_journal(workspace)[-2]
    assert (approval.facts["approver"], approval.facts["reason"]) == ("Ann", "looked at it")


@pytest.mark.usefixtures("loads")
def test_a_waiting_version_is_not_approved_over_a_champion_that_it_was_not_compared_with(
    run_stage: Stage, registration: RegistrationParams, workspace: str
) -> None:
    manual = registration.model_copy(update={"approval": "manual"})
    run_stage(0, run_key="a1")
    run_stage(1, run_key="b2", champion="1", registration=manual)
    run_stage(0, run_key="c3", champion="1")
    with pytest.raises(Refusal, match="expected version 1 to be champion, found version 3"):
        promote("2", registration=manual, workspace=workspace, reason="r", way="approve", by="Ann")
    promote("2", registration=manual, workspace=workspace, reason="r", way="approve", by="Ann", expect="3")
    assert aliases(workspace) == {"champion": "2", "previous": "3"}


@pytest.mark.usefixtures("loads")
def test_a_version_whose_champion_could_not_be_scored_has_a_way_of_its_own(
    add_version: Add, registration: RegistrationParams, workspace: str
) -> None:
    add_version("inconclusive", **{"rootstock.champion_not_scored": "no label in common"})
    add_version("inconclusive")
    with pytest.raises(Refusal, match="--rebaseline --by NAME"):
        promote("1", registration=registration, workspace=workspace, reason="r")
    with pytest.raises(InputError, match="expected --by NAME"):
        promote("1", registration=registration, workspace=workspace, reason="r", way="rebaseline")
    with pytest.raises(Refusal, match="for other reasons"):
        promote("2", registration=registration, workspace=workspace, reason="r", way="rebaseline", by="Ann")
    promote("1", registration=registration, workspace=workspace, reason="new classes", way="rebaseline", by="Ann")
    assert (aliases(workspace), kinds(workspace)) == ({"champion": "1"}, ["rebaseline"])
    assert read_journal(workspace)[0].facts["approver"] == "Ann"
    assert "rootstock.tainted" not in list_versions(MODEL, workspace=workspace)[0].tags


@pytest.mark.usefixtures("loads")
def test_a_live_command_is_waited_for_and_named(add_version: Add, registration: RegistrationParams, workspace: str) -> None:
    add_version()
    quick = registration.model_copy(update={"lease_seconds": 0.3})
    with lease(workspace, seconds=30), pytest.raises(BusyError, match=r"held by process \d+"):
        promote("1", registration=quick, workspace=workspace, reason="r")
    assert aliases(workspace) == {}


def test_a_rollback_goes_one_step_and_not_two(run_stage: Stage, registration: RegistrationParams, workspace: str) -> None:
    run_stage(0, run_key="a1")
    with pytest.raises(InputError, match="found champion: version 1; promote one"):
        rollback(registration=registration, workspace=workspace, reason="r")
    run_stage(1, run_key="b2", champion="1")
    started = time.monotonic()
    done = rollback(registration=registration, workspace=workspace, reason="complaints")
    assert time.monotonic() - started < 30
    assert (done.before, done.champion) == ("2", "1")
    first, second = list_versions(MODEL, workspace=workspace)
    assert (first.aliases, second.aliases) == (("champion",), ())
    assert second.tags["rootstock.moved"] == "complaints"
    entry = read_journal(workspace)[-2]
    assert (entry.kind, entry.facts["reason"], entry.facts["rolled_back_from"]) == ("rollback", "complaints", "2")
    with pytest.raises(InputError, match="to go back to"):
        rollback(registration=registration, workspace=workspace, reason="again")


def flip_last_byte(head: Path) -> None:
    head.write_bytes(head.read_bytes()[:-1] + bytes([head.read_bytes()[-1] ^ 1]))


@pytest.mark.parametrize(
    ("damage", "said"),
    [(flip_last_byte, "expected a model folder with sha256"), (Path.unlink, "expected a model folder with sha256")],
    ids=["one byte", "no head"],
)
def test_a_rollback_to_a_damaged_version_is_refused_and_leaves_the_champion(
    damage: Callable[[Path], object], said: str, run_stage: Stage, registration: RegistrationParams, workspace: str
) -> None:
    run_stage(0, run_key="a1")
    for head in Path(workspace, "mlartifacts").rglob("head.safetensors"):
        damage(head)
    run_stage(1, run_key="b2", champion="1")
    before = read_journal(workspace)
    with pytest.raises(Refusal, match=f"version 1 cannot be put to work: {said}"):
        rollback(registration=registration, workspace=workspace, reason="complaints")
    assert aliases(workspace) == {"champion": "2", "previous": "1"}
    assert read_journal(workspace) == before


def test_a_version_whose_judged_rows_are_gone_is_still_asked(
    run_stage: Stage, registration: RegistrationParams, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np
    from rootstock.classifier import Classifier, Prediction

    run_stage(0, run_key="a1")
    run_stage(1, run_key="b2", champion="1")
    Path("test.parquet").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(
            Classifier, "predict", lambda self, rows: Prediction(np.full((len(rows), 3), np.nan), np.zeros((len(rows), 2)))
        )
        with pytest.raises(Refusal, match="expected probabilities of 3 classes that sum to one"):
            rollback(registration=registration, workspace=workspace, reason="r")
    assert rollback(registration=registration, workspace=workspace, reason="r").champion == "1"
