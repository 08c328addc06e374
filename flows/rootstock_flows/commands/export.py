"""``rootstock export``: a registered model, or a model folder, as files that ship."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options

if TYPE_CHECKING:
    from rootstock.export.figures import Export, ExportedFormat
    from rootstock.export.rows import ComparedRows
    from rootstock.params import Params
    from rootstock.records import Measure


@click.command("export")
@click.argument("source", metavar="VERSION|MODEL_FOLDER")
@click.option("--to", "target", metavar="FOLDER", required=True, type=click.Path(path_type=Path),
              help="Where to write: a new or empty folder, or an earlier export, which is replaced.")  # fmt: skip
@click.option("--format", "formats", metavar="NAME", multiple=True, default=("merged",), show_default=True,
              help="merged, onnx or onnx-int8; repeatable.")  # fmt: skip
@click.option("--rows", "rows_file", metavar="FILE", type=click.Path(path_type=Path),
              help="Rows to compare on: a table, or a folder of images.  [default: the version's test rows]")  # fmt: skip
@click.option("--max-loss-points", type=click.FloatRange(min=0), default=1.0, show_default=True,
              help="Points of accuracy that onnx-int8 may lose.")  # fmt: skip
@params_options
def command(
    source: str, target: Path, formats: tuple[str, ...], rows_file: Path | None, max_loss_points: float, params_file: Path,
    overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Write VERSION (a number, an alias, or a model folder) as files that are used without Rootstock.

    merged: backbone and adapters as one set of fp32 weights for transformers. onnx: one fp32 graph from token ids or pixels to
    probabilities. onnx-int8: the same with 8-bit weights. Each is loaded again in a new process and compared row by row with the
    model that was tested; export.json holds the figures. Where fp32 answers otherwise, or int8 loses more than allowed, nothing
    is written and the exit code is 1.
    """
    target, folder = target.absolute(), Path(source).absolute()  # before the project's folder becomes the working directory
    rows_file = rows_file.absolute() if rows_file is not None else None
    params = open_project(params_file, overrides)

    import tempfile

    from rootstock.classifier import CARD_FILE
    from rootstock.export.export import check_target, export
    from rootstock.export.formats import find_formats
    from rootstock.registration.versions import download_model

    find_formats(formats)
    is_folder = (folder / CARD_FILE).is_file()
    check_target(target, folder if is_folder else None)
    model = params.registration.model
    with clean_output(), tempfile.TemporaryDirectory(prefix="rootstock-") as temporary:
        if is_folder:
            version, name = None, source
        else:
            version, folder = download_model(model, source, workspace=params.workspace, folder=Path(temporary) / "model")
            name = model
        done = export(
            folder,
            target,
            formats=formats,
            rows=_rows(folder, rows_file, version, params),
            name=name,
            version=version,
            confidence=params.evaluation.confidence,
            max_loss_points=max_loss_points,
        )
    emit(done.model_dump(mode="json"), as_json=as_json, text=_text(done, target))


def _rows(folder: Path, rows_file: Path | None, version: str | None, params: Params) -> ComparedRows:
    """The rows named, or else the test rows of the registered version."""
    from rootstock.classifier import read_card
    from rootstock.errors import InputError
    from rootstock.export.rows import read_rows
    from rootstock.registration.versions import find_test_rows

    if rows_file is None and version is None:
        raise InputError(f"{folder}: expected rows to compare on, found none; name a file with --rows FILE")
    if rows_file is None and version is not None:
        rows_file = Path(find_test_rows(params.registration.model, version, workspace=params.workspace).path)
    card, columns = read_card(folder), params.data.columns
    assert rows_file is not None
    return read_rows(
        rows_file,
        labels=card.labels,
        modality=card.modality["name"],
        input_columns=("input", columns.input, "text"),
        label_columns=("label", columns.label),
    )


def _text(done: Export, target: Path) -> str:
    of = f"{done.model} version {done.version}" if done.version is not None else done.model
    accuracy = f", accuracy {_interval(done.accuracy, 3)}" if done.accuracy is not None else ""
    head = ("format", "labels equal", "accuracy", "points lost", "differs by", "MiB", "ms a row")
    rows = [head, *(_cells(each) for each in done.formats)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    table = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [
        f"  {each.name}: a row's probabilities move by up to {each.batch_difference:.2g} with the rows beside it in a batch"
        for each in done.formats
        if each.name == "onnx-int8"
    ]
    return "\n".join([f"{of}, compared on {done.rows} rows{accuracy}", *table, *notes, f"written to {target}"])


def _cells(found: ExportedFormat) -> tuple[str, ...]:
    return (
        found.name,
        f"{found.equal_labels.value:.1%}",
        _interval(found.accuracy, 3),
        _interval(found.points_lost, 1),
        f"{found.largest_difference:.1g}",
        f"{found.mib:.1f}",
        f"{found.milliseconds_per_row:.1f}",
    )


def _interval(measure: Measure | None, digits: int) -> str:
    if measure is None:
        return "no labels"
    return f"{measure.value:.{digits}f} ({measure.low:.{digits}f} to {measure.high:.{digits}f})"
