"""Whether the chain of evidence is whole, and whether what it names is still there as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstock.errors import InputError, RootstockError
from rootstock.files import sha256_of
from rootstock.journal import Entry, head, read_journal, verify_journal
from rootstock.records import Artifact
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.aliases import MODEL_FACT
from rootstock.registration.chain import check_chain
from rootstock.registration.decision import DECISION
from rootstock.registration.mlflow_registry import SHA256_TAG, Version


@dataclass(frozen=True)
class Audit:
    """What was looked at, and what is wrong."""

    entries: int
    decisions: int
    artifacts: int
    """files and folders whose content was compared with what decisions name"""
    faults: tuple[str, ...]
    """a line each"""


def audit(model: str, *, workspace: str, offline: bool) -> Audit:
    """Walk the journal, and hash what its decisions on ``model`` name; ``offline`` leaves out the model registry.

    A journal whose entries cannot be read is not looked into any further, and what a decision of another version of Rootstock does
    not name is not looked for. Raises ServiceError if the registry does not answer.
    """
    faults = list(verify_journal(workspace) if offline else check_chain(model, workspace=workspace))
    try:
        entries = read_journal(workspace)
    except InputError:  # it is among the faults
        return Audit(head(workspace), 0, 0, tuple(faults))
    decisions = [entry for entry in entries if entry.kind == DECISION and entry.facts.get(MODEL_FACT, model) == model]
    named = [(entry, what, artifact) for entry in decisions for what, artifact in _files(entry)]
    faults += [f"{_name(entry)}: {what}: {reason}" for entry, what, artifact in named if (reason := artifact.damage())]
    registered = [entry for entry in decisions if entry.facts.get("version") is not None and "model_sha256" in entry.facts]
    if not offline and registered:
        faults += _registry_faults(model, registered, workspace)
    return Audit(len(entries), len(decisions), len(named) + (0 if offline else len(registered)), tuple(faults))


def _files(entry: Entry) -> Iterator[tuple[str, Artifact]]:
    """What a decision names in the workspace; nothing where the run ended before a model."""
    if "predictions" in entry.facts:
        yield "predictions", Artifact.model_validate(entry.facts["predictions"])
    if "model" in entry.facts.get("training", {}):
        yield "trained model", Artifact.model_validate(entry.facts["training"]["model"])


def _registry_faults(model: str, decisions: Sequence[Entry], workspace: str) -> Iterator[str]:
    versions = {version.version: version for version in registry.find_versions(registry.tracking(workspace), model)}
    for entry in decisions:
        # One for each, as together they may be more than the disk takes, and not in the workspace, which an auditor may only read.
        with tempfile.TemporaryDirectory(prefix="rootstock-") as temporary:
            reason = _registered_otherwise(model, entry, versions.get(entry.facts["version"]), Path(temporary))
        if reason is not None:
            yield f"{_name(entry)}: registry: {reason}"


def _registered_otherwise(model: str, entry: Entry, version: Version | None, folder: Path) -> str | None:
    """Why the registry does not hold what was decided on, or None."""
    number, expected = entry.facts["version"], entry.facts["model_sha256"]
    if version is None:
        return f"version {number} is gone"
    if version.tags.get(SHA256_TAG) != expected:
        return f"version {number}: expected the tag {SHA256_TAG} {_short(expected)}, found {_short(version.tags.get(SHA256_TAG))}"
    try:
        found = sha256_of(registry.fetch_model(f"models:/{model}/{number}", folder / "model"))
    except (RootstockError, OSError) as error:
        return f"version {number} cannot be downloaded: {error}"
    return None if found == expected else f"version {number}: expected a model folder {_short(expected)}, found {_short(found)}"


def _name(entry: Entry) -> str:
    version = entry.facts.get("version")
    return f"entry {entry.number} ({f'version {version}' if version else 'run ' + entry.facts['run_key'][:12]})"


def _short(sha256: str | None) -> str:
    return sha256[:12] if sha256 else "none"
