"""``rootstock data``: the data registry from the command line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rootstock_flows.session import emit, open_project, params_options

if TYPE_CHECKING:
    import pandas as pd
    from rootstock.params import Params
    from rootstock.records import DatasetRevision


@click.group(name="data")
def command() -> None:
    """Add, list and compare versions of datasets."""


@command.command()
@click.argument("name")
@click.argument("path")
@click.option("--licence", default=None, help="Licence of the data as SPDX writes it, such as CC-BY-4.0; kept in its card.")
@params_options
def add(name: str, path: str, licence: str | None, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Add PATH as the next version of dataset NAME.

    PATH is a CSV, TSV, JSONL or Parquet file, hf:NAME for the Hugging Face hub, or, for images, a folder with one folder of
    images a class (train/ and test/ above them declare the split), or an .npz file with the arrays images and labels
    (train_images, train_labels, test_images and test_labels declare the split).
    """
    from rootstock.data.card import make_card
    from rootstock.data.raw import HUB_PREFIX
    from rootstock.data.read import read_dataset
    from rootstock.licence import canonical_licence

    licence = canonical_licence(licence) if licence else None  # before a long file is read
    origin = path if path.startswith(HUB_PREFIX) else str(Path(path).absolute())
    params = open_project(params_file, overrides)
    frame = read_dataset(origin, data=params.data)
    columns = params.data.columns.model_dump()
    card = make_card(frame, modality=params.data.modality.name, origin=origin, columns=columns, licence=licence)
    added = _add(params, name, frame, card)
    emit(added, as_json=as_json, text=_line(added))


@command.command(name="list")
@params_options
def list_(params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show every dataset and version in the registry."""
    from rootstock.data.registry import list_versions, read_card

    params = open_project(params_file, overrides)
    registry = Path(params.data.registry)
    rows = [
        version.model_dump() | {"card": read_card(registry, version)}
        for versions in list_versions(registry).values()
        for version in versions
    ]
    lines = [
        f"{row['revision']:<32} {row['card']['rows']:>8} rows  {row['card']['modality']:<6} {row['card']['origin']}"
        f"  ({row['card'].get('licence') or 'licence not stated'})"
        for row in rows
    ]
    emit(
        {"versions": rows},
        as_json=as_json,
        text="\n".join(lines) or f"{registry} holds no dataset yet; 'rootstock data add NAME PATH' adds one",
    )


@command.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@params_options
def diff(before: str, after: str, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show what changed from version A to version B, each NAME/vN, or NAME for its newest."""
    from rootstock.data.diff import diff as compare

    params = open_project(params_file, overrides)
    found = compare(Path(params.data.registry), before, after)
    labels = sorted(found.counts_before.keys() | found.counts_after.keys())
    columns = Counter(change.column for change in found.kept)
    lines = [
        f"{found.before.revision} -> {found.after.revision}: {len(found.added)} rows added, {len(found.removed)} removed, "
        f"{len(found.relabelled)} relabelled, {len(found.rewritten)} rewritten, "
        f"{found.rows_with_other_columns} with other kept columns",
        *(f"  column {name}: added" for name in found.columns_added),
        *(f"  column {name}: removed" for name in found.columns_removed),
        *(f"  column {name}: {n} rows changed" for name, n in columns.items()),
        *(f"  {label:<40} {found.counts_before.get(label, 0):>7} -> {found.counts_after.get(label, 0):>7}" for label in labels),
        *(f"  {row.id}: '{row.before}' -> '{row.after}'" for row in found.relabelled[:20]),
        *(f"  {change.id}: {change.column} '{change.before}' -> '{change.after}'" for change in found.kept[:20]),
    ]
    emit(found.model_dump(mode="json"), as_json=as_json, text="\n".join(lines))


@command.command()
@click.option("--images", is_flag=True, help="Handwritten and printed digits and a small backbone, not library documentation.")
@click.option(
    "--arrived",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of the text target that is there yet.",
)
@params_options
def demo(images: bool, arrived: float, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Put the demo datasets into the registry; made from what is installed, nothing is downloaded.

    The same again adds nothing. A greater --arrived adds a version of the target with the rows that have come since.
    """
    from rootstock.data.card import make_card
    from rootstock.data.demo_backbone import BACKBONE, build_backbone
    from rootstock.data.demo_digits import build_digits
    from rootstock.data.demo_docs import build_docs, docs_licence

    params = open_project(params_file, overrides)
    frames = build_digits() if images else build_docs(arrived=arrived)
    backbone = build_backbone(Path(params.workspace) / BACKBONE).as_posix() if images else None
    modality, origin = ("image", "digits and fonts") if images else ("text", "documentation")
    added = [
        _add(
            params,
            name,
            frame,
            make_card(
                frame,
                modality=modality,
                origin=f"{origin} of installed packages",
                licence=None if images else docs_licence(name),
            ),
        )
        for name, frame in frames.items()
    ]
    lines = [*map(_line, added), *([f"{backbone:<32} a small backbone with random weights"] if backbone else [])]
    emit({"datasets": added, "backbone": backbone}, as_json=as_json, text="\n".join(lines))


def _add(params: Params, name: str, frame: pd.DataFrame, card: dict[str, Any]) -> dict[str, Any]:
    from rootstock.data import registry

    path = Path(params.data.registry)
    known = _known(path, name)
    version = registry.add(path, name, frame, card=card)
    return version.model_dump() | {"new": version.revision not in known, "rows": len(frame)}


def _known(path: Path, name: str) -> set[str]:
    from rootstock.data import registry
    from rootstock.errors import DataError

    versions: dict[str, tuple[DatasetRevision, ...]] = {}
    try:
        versions = registry.list_versions(path)
    except DataError:  # there is no registry yet
        return set()
    return {version.revision for version in versions.get(name, ())}


def _line(added: dict[str, Any]) -> str:
    said = "added" if added["new"] else "unchanged: these rows are there already, no new version was made"
    return f"{added['revision']:<32} {added['rows']:>8} rows  {said}"
