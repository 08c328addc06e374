"""What a workspace may lose: results that no decision names and that can be made again, and what killed commands left.

And the pages that Evidently drew of windows in which nothing was found, 6 MB a look; the figures of every look are kept. Kept for
good are the journal, the runs' documents and reports, the registry and its models, the prediction log, what monitoring found and
its references; and of the stages' results those that the journal names (``rootstock verify`` hashes them), those of every version
with an alias, and those of young runs. ``rootstock reproduce`` needs none of them.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstock.errors import DataError
from rootstock.files import storage_errors
from rootstock.journal import read_journal
from rootstock.monitoring.evidently_report import HTML_FILE
from rootstock.params import Params
from rootstock.records import RECORD_FILE, load_json
from rootstock.registration import mlflow_registry as registry

from rootstock_flows.lock import only_run

#: Folders of which every entry can be made again from the data.
CACHES = ("features", "scores", "halving", "checkpoints", "reproduce", "processes", "jobs")
STAGES, MONITORING = "stages", "monitoring"
#: Where a command that was killed may have left what it wrote under a temporary name; the data registry is git's and DVC's own.
WRITTEN_TO = (STAGES, "runs", "predictions", "references", MONITORING, "rankings")
LEFT = re.compile(r"\.[^/]+\.[a-z0-9_]{8}(\.[a-z]+)?|tmp[a-z0-9_]{8}")
NAMED = re.compile(r"stages/([^/\"\s]+)/([^/\"\s]+)")
SECONDS_A_DAY = 86_400.0
BYTES_A_MIB = 2**20


@dataclass(frozen=True)
class Prunable:
    """A file or folder that nothing needs."""

    path: Path
    size_bytes: int


def prune(params: Params, *, days: float, now: float, dry: bool) -> tuple[Prunable, ...]:
    """Remove what nothing needs and what was neither written nor read for so many days; ``dry`` only tells.

    ``now`` is in seconds since 1970. Raises BusyError while a task of the workspace runs, ServiceError if the registry does not say
    which versions bear an alias, DataError if the journal cannot be read.
    """
    workspace = Path(params.workspace)
    with contextlib.ExitStack() as nothing_runs:
        tasks = {params.task, *(str(document.get("task", params.task)) for document in _documents(workspace).values())}
        for task in () if dry else sorted(tasks):
            nothing_runs.enter_context(only_run(task, params.workspace))
        found = tuple(prunable(params, before=now - days * SECONDS_A_DAY))
        for each in () if dry else found:
            with storage_errors(each.path):
                shutil.rmtree(each.path) if each.path.is_dir() else each.path.unlink(missing_ok=True)
    return found


def prunable(params: Params, *, before: float) -> Iterator[Prunable]:
    """What nothing needs, of what was last written or read before that time."""
    workspace = Path(params.workspace)
    needed = _needed(params, before=before)
    stages = (path for path in sorted(workspace.glob(f"{STAGES}/*/*")) if path.relative_to(workspace).parts[1:] not in needed)
    cached = (path for name in CACHES for path in sorted(workspace.glob(f"{name}/*")))
    written = (workspace.glob("*"), *(workspace.glob(f"{name}/**/*") for name in WRITTEN_TO))
    left = (path for paths in written for path in sorted(paths) if LEFT.fullmatch(path.name))
    found: list[Path] = []
    for path in (*stages, *cached, *left, *_quiet_pages(workspace)):
        files = [each for each in (path, *path.rglob("*")) if each.is_file() and not each.is_symlink()]
        used = max([path.stat().st_mtime, *(max(each.stat().st_atime, each.stat().st_mtime) for each in files)])
        if used < before and not any(path.is_relative_to(above) for above in found):
            found.append(path)
            yield Prunable(path, sum(each.stat().st_size for each in files))


def _needed(params: Params, *, before: float) -> set[tuple[str, ...]]:
    """Stage and folder of the results that are kept however old they are."""
    texts = [entry.model_dump_json() for entry in read_journal(params.workspace)]
    documents = _documents(Path(params.workspace))
    aliased = {
        (model, version) for model in _models(params, documents.values()) for version in _aliased_versions(model, params.workspace)
    }
    for path, document in documents.items():
        registered = document.get("registration") or {}
        if path.stat().st_mtime >= before or (registered.get("model"), registered.get("version")) in aliased:
            texts.append(path.read_text(encoding="utf-8"))
            texts.append(f"{STAGES}/register/{path.parent.name}")
    return {named for text in texts for named in NAMED.findall(text)}


def _quiet_pages(workspace: Path) -> Iterator[Path]:
    """Evidently's page of each look that found no drift, and its copy in the Evidently workspace.

    Not that of a look whose record cannot be read, or is not there yet.
    """
    loud: set[str] = set()
    for page in sorted(workspace.glob(f"{MONITORING}/*/*/{HTML_FILE}")):
        report: dict[str, Any] = {}
        with contextlib.suppress(DataError, FileNotFoundError):
            report = load_json(page.with_name(RECORD_FILE))
        if report.get("drifted", True):
            loud.add(str(report.get("window")))
        else:
            yield page
    for copy in sorted(workspace.glob("evidently/*/snapshots/*.json")):
        with contextlib.suppress(DataError):
            if load_json(copy).get("name") not in loud:
                yield copy


def _documents(workspace: Path) -> dict[Path, dict[str, Any]]:
    return {path: load_json(path) for path in sorted(workspace.glob("runs/*/run.json"))}


def _models(params: Params, documents: Iterable[dict[str, Any]]) -> set[str]:
    named = {(document.get("registration") or {}).get("model") for document in documents}
    return {params.registration.model, *(model for model in named if model)}


def _aliased_versions(model: str, workspace: str) -> set[str]:
    return set(registry.find_aliases(registry.tracking(workspace), model).values()) if registry.has_store(workspace) else set()
