"""``rootstock label``: which rows to have labelled next, and what came back."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.group(name="label")
def command() -> None:
    """Have a model choose which rows people label next, and add their labels."""


@command.command()
@click.argument("sheet", metavar="SHEET", type=click.Path(path_type=Path))
@click.option(
    "--rows", type=click.IntRange(min=1), required=True, help="So many rows, chosen by labelling.strategy, to learn from."
)
@click.option("--sample", type=click.IntRange(min=0), default=0, show_default=True, help="So many more by chance, for the test.")
@click.option("--batch", help="Choose from this batch of the prediction log only.")
@click.option("--version", "alias_or_version", metavar="N|ALIAS", default="champion", show_default=True, help="Model to ask.")
@params_options
def choose(
    sheet: Path,
    rows: int,
    sample: int,
    batch: str | None,
    alias_or_version: str,
    params_file: Path,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write SHEET, a table of rows for people to label.

    Rows come from the target's own rows without a label and from the prediction log. Fill in the column 'label' and leave the
    others; rows left blank stay as they are. For images a folder of SHEET's name holds what to look at. Rows that a model chose are
    harder than others: they are learned from, never tested on.
    """
    given, sheet = sheet, sheet.absolute()
    params = open_project(params_file, overrides)

    import tempfile

    from rootstock.classifier import Classifier
    from rootstock.registration.versions import download_model
    from rootstock.table import check_output

    from rootstock_flows.labelling import ask_for_labels

    check_output(sheet)
    with clean_output(), tempfile.TemporaryDirectory(prefix="rootstock-") as folder:
        version, path = download_model(
            params.registration.model, alias_or_version, workspace=params.workspace, folder=Path(folder) / "model"
        )
        predict = Classifier.load(path).predict
        chosen = ask_for_labels(params, sheet, rows=rows, sample=sample, batch=batch, predict=predict)
    document = {"version": version, "sheet": sheet.as_posix(), **chosen.model_dump(mode="json")}
    text = f"{chosen.says()}\nwritten to {given}; once its column 'label' is filled in: rootstock label add {given}"
    emit(document, as_json=as_json, text=text)


@command.command()
@click.argument("sheet", metavar="SHEET", type=click.Path(path_type=Path))
@click.option("--new-labels", is_flag=True, help="Take labels that the target does not have yet.")
@params_options
def add(sheet: Path, new_labels: bool, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Add the labels of SHEET to the target, as its next version."""
    sheet = sheet.absolute()
    params = open_project(params_file, overrides)
    from rootstock_flows.labelling import take_labels

    with clean_output():
        revision, added = take_labels(params, sheet, new_labels=new_labels)
    blank = f", {added.blank} rows left blank" if added.blank else ""
    known = f", {added.unchanged} had this label already" if added.unchanged else ""
    lines = [f"{revision.revision}: {added.labelled} rows labelled, {added.added} new rows{known}{blank}"]
    if added.new_labels:
        lines.append(f"new labels: {', '.join(added.new_labels)}")
    if (most := params.data.labelled_rows_per_class) is not None:
        lines.append(f"data.labelled_rows_per_class learns from at most {most} rows a class; null learns from all")
    emit(revision.model_dump() | added.model_dump(mode="json"), as_json=as_json, text="\n".join(lines))
