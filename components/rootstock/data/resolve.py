"""The first stage: turn "latest" into revisions that stay."""

from __future__ import annotations

from pathlib import Path

from rootstock.data import registry
from rootstock.errors import ParamsError
from rootstock.params import DataParams
from rootstock.records import Resolution


def resolve(*, data: DataParams, workspace: str, folder: Path) -> Resolution:
    """Pin the target at ``data.revision`` and each source at its newest version; no file is written.

    Raises ParamsError if a source is the target, or is named twice; DataError for a dataset or revision not in the registry.
    """
    if data.target in data.sources:
        raise ParamsError(
            f"data.sources: expected other datasets than the target, found '{data.target}' in both; remove it from the sources"
        )
    if repeated := [name for name in data.sources if data.sources.count(name) > 1]:
        raise ParamsError(
            f"data.sources: expected each dataset once, found '{repeated[0]}' {data.sources.count(repeated[0])} times"
        )
    path = Path(data.registry)
    return Resolution(
        registry=data.registry,
        target=registry.resolve(path, data.target, data.revision),
        sources=tuple(registry.resolve(path, name, registry.LATEST) for name in data.sources),
    )
