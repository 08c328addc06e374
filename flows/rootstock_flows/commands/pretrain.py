"""``rootstock pretrain``: a backbone of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import emit, open_project, params_options


@click.command()
@click.argument("source")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="New folder for the backbone.")
@click.option(
    "--architecture", default=None,
    help="small-resnet or wide-resnet (images), small-bert (texts).  [default: the small one for the data]",
)  # fmt: skip
@click.option(
    "--held-out", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.2, show_default=True,
    help="Share of the rows kept apart to measure accuracy, where the data declare no test split.",
)  # fmt: skip
@params_options
def command(
    source: str,
    folder: Path,
    architecture: str | None,
    held_out: float,
    params_file: Path,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a small backbone from random weights on dataset SOURCE.

    For where no pretrained backbone is at hand: SOURCE is a labelled dataset of the registry, NAME or NAME/vN, of the same kind as
    the target. Every weight is trained as finetuning.source says (evaluation.scratch where that is not the method full). Copies of
    the target's test rows are left out. FOLDER can be named in backbone.name.
    """
    to = folder.absolute()
    params = open_project(params_file, overrides)
    from rootstock_flows.pretrain import accuracy_line, run_pretrain
    from rootstock_flows.session import clean_output

    with clean_output():
        document = run_pretrain(params, source, to=to, architecture=architecture, heldout=held_out)
    name = to.relative_to(Path.cwd()).as_posix() if to.is_relative_to(Path.cwd()) else to.as_posix()
    lines = [
        f"{document['architecture']}, {document['parameters']:,} weights, trained on {document['rows']:,} rows of "
        f"{document['source']['revision']} in {document['seconds']:.0f} s",
        f"accuracy: {accuracy_line(document['accuracy'])}",
        *document["notes"],
        f"use it with backbone.name: {name}",
    ]
    emit(document, as_json=as_json, text="\n".join(lines))
