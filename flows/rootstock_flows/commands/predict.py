"""``rootstock predict``: a file in, a file out."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command("predict")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUTPUT", type=click.Path(path_type=Path))
@click.option("--version", "alias_or_version", metavar="N|ALIAS", default="champion", show_default=True, help="Model to ask.")
@params_options
def command(
    source: Path, target: Path, alias_or_version: str, params_file: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Predict each row of INPUT and write OUTPUT.

    INPUT is a CSV, TSV, JSONL or Parquet file, or a folder of images; OUTPUT is a file of one of these kinds, by its ending. Every
    row goes into the prediction log, which 'rootstock monitor' compares with the model's reference data.
    """
    source, target = source.absolute(), target.absolute()  # before the project's folder becomes the working directory
    params = open_project(params_file, overrides)

    import tempfile
    from datetime import UTC, datetime

    from rootstock.classifier import Classifier
    from rootstock.monitoring.predict import predict_file
    from rootstock.monitoring.prediction_log import PredictionLog
    from rootstock.registration.versions import download_model

    model = params.registration.model
    with clean_output(), tempfile.TemporaryDirectory(prefix="rootstock-") as folder:

        def load() -> tuple[str, Classifier]:
            version, path = download_model(model, alias_or_version, workspace=params.workspace, folder=Path(folder) / "model")
            return version, Classifier.load(path)

        done = predict_file(
            source,
            target,
            load=load,
            data=params.data,
            log=PredictionLog.of(params.workspace, model),
            now=datetime.now(UTC),
        )
    counts = ", ".join(f"{label} {rows}" for label, rows in done.predicted.items() if rows)
    text = f"{done.rows} rows predicted by version {done.version}: {counts}\nwritten to {done.output}"
    emit(done.model_dump(mode="json"), as_json=as_json, text=text)
