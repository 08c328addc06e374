"""What a run began with, as the registry keeps it: for going through it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from rootstock.errors import DataError
from rootstock.journal import Entry
from rootstock.records import Artifact, EarlierVersion, History, Incumbent, Record
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.versions import download_model

AnyRecord = TypeVar("AnyRecord", bound=Record)


def kept_incumbent(decision: Entry, *, workspace: str, folder: Path) -> Incumbent:
    """The champion that a run was compared with, and the versions before it, downloaded to ``folder`` again.

    Raises DataError where the run's record of them is gone or the registry gives other models than they were.
    """
    known = _record(decision, "incumbent", Incumbent, workspace)

    def again(version: str, model: Artifact) -> Artifact:
        _, path = download_model(decision.facts["model"], version, workspace=workspace, folder=folder / f"version-{version}")
        found = Artifact.of(path)
        if found.sha256 != model.sha256:
            raise DataError(
                f"model '{decision.facts['model']}' version {version}: expected the folder {model.sha256[:12]} that entry "
                f"{decision.number} was compared with, found {found.sha256[:12]}; restore the artifact store"
            )
        return found

    if known.version is None or known.model is None:
        return known
    return Incumbent(
        version=known.version,
        model=again(known.version, known.model),
        run_key=known.run_key,
        earlier=tuple(EarlierVersion(version=each.version, model=again(each.version, each.model)) for each in known.earlier),
    )


def kept_history(decision: Entry, *, workspace: str) -> History:
    """The team's outcomes as they were. Raises DataError where the run's record is gone or another one."""
    history = _record(decision, "history", History, workspace)
    expected: str = decision.facts["history"]["sha256"]
    if history.sha256() != expected:
        raise DataError(
            f"run {decision.facts['mlflow_run_id']}: expected the history {expected[:12]} that entry {decision.number} names, "
            f"found {history.sha256()[:12]}; the run was gone through again since, and decided anew"
        )
    return history


def _record(decision: Entry, name: str, kind: type[AnyRecord], workspace: str) -> AnyRecord:
    run_id: str = decision.facts["mlflow_run_id"]
    client: Any = registry.tracking(workspace)
    text = registry.read_record(client, run_id, name)
    if text is None:
        raise DataError(f"run {run_id}: expected its record '{name}', found none; entry {decision.number} cannot be reproduced")
    try:
        return kind.model_validate_json(text)
    except ValueError as error:
        raise DataError(f"run {run_id}: its record '{name}' is of another version of Rootstock; install that one") from error
