"""One look: the newest window of the prediction log beside the champion's reference."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import Classifier
from rootstock.errors import DataError
from rootstock.monitoring.correction import window_level
from rootstock.monitoring.decide import detect
from rootstock.monitoring.evidently_report import Sample, write_report
from rootstock.monitoring.prediction_log import PredictionLog
from rootstock.monitoring.reference import champion_reference
from rootstock.monitoring.scored_rows import PROBABILITY, probability_columns, window_of
from rootstock.records import DriftReport, PreparedData

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.params import DataParams, MonitoringParams, RegistrationParams
    from rootstock.part import Modality


def monitor_window(
    prepared: PreparedData,
    *,
    model_folder: Path,
    version: str,
    batch: str | None,
    data: DataParams,
    registration: RegistrationParams,
    monitoring: MonitoringParams,
    seed: int,
    workspace: str,
    folder: Path,
    now: datetime,
) -> DriftReport:
    """Compare a window of what ``version`` was asked with the target it was built on (``prepared``).

    ``batch`` names a batch of the log; None takes the newest rows up to ``now``. Where ``data.columns.group`` says which rows hang
    together, one of each group is compared: the tests are for rows that are independent of each other. Writes the Evidently page
    and figures into ``folder``, keeps the reference under ``<workspace>/references`` and adds the run to ``<workspace>/evidently``.
    Raises DataError when the log holds too few rows, ParamsError when a test has too few permutations.
    """
    log = PredictionLog.of(workspace, registration.model)
    group = data.columns.group
    window = log.read_window(version=version, rows=monitoring.window_rows, batch=batch, until=now, group=group)
    reference = champion_reference(
        lambda: Classifier.load(model_folder),
        prepared.target,
        version=version,
        monitoring=monitoring,
        seed=seed,
        folder=Path(workspace) / "references" / registration.model / version,
    )
    if probability_columns(reference) != probability_columns(window.rows):
        raise DataError(
            f"window {window.name}: expected the {len(probability_columns(reference))} classes of version {version}, found "
            f"{len(probability_columns(window.rows))} others in the prediction log; does the version mean another model?"
        )
    old, new = _sample(reference, data.modality), _sample(window.rows, data.modality)
    results = detect(old.window, new.window, monitoring=monitoring, seed=seed)
    html, figures = write_report(
        old,
        new,
        level=window_level(monitoring.alpha, monitoring.looks) / len(results),
        folder=folder,
        workspace=Path(workspace) / "evidently",
        project=registration.model,
        name=window.name,
        now=now,
    )
    return DriftReport(
        model=registration.model,
        version=version,
        window=window.name,
        rows=len(window.rows),
        drawn_from=None if group is None else window.drawn_from,
        reference_rows=len(reference),
        results=results,
        drifted=any(result.drifted for result in results),
        evidently_html=html,
        evidently_json=figures,
        created=now.astimezone(UTC).isoformat(timespec="seconds"),
    )


def _sample(rows: pd.DataFrame, modality: Modality) -> Sample:
    labels = tuple(name.removeprefix(PROBABILITY) for name in probability_columns(rows))
    return Sample(window_of(rows, modality), list(rows["predicted"]), labels)
