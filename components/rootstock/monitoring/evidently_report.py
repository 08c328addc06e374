"""Evidently: the window beside the reference as an HTML page, as JSON, and as a run in an Evidently workspace.

The only file that imports Evidently. Its verdicts are shown, not acted on: with its defaults some column of ten alarms on nearly
nine of ten windows without drift, and methods change with the size of the reference. Method and threshold are therefore given for
every column: Kolmogorov-Smirnov for numbers, Jensen-Shannon distance for classes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.errors import ServiceError
from rootstock.files import write_file, write_text
from rootstock.records import Artifact

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.part import Window

HTML_FILE = "evidently.html"
JSON_FILE = "evidently.json"
EMBEDDING = "embedding"
CLASS_DISTANCE = 0.1
CLASSIFIER_AUC = 0.55
#: Classes whose probabilities are shown, the likeliest: with a thousand, a page takes minutes to draw and to load.
SHOWN_CLASSES = 20


@dataclass(frozen=True)
class Sample:
    """A window as Evidently sees it."""

    window: Window
    predicted: list[str]
    labels: tuple[str, ...]


def write_report(
    reference: Sample, current: Sample, *, level: float, folder: Path, workspace: Path, project: str, name: str, now: datetime
) -> tuple[Artifact, Artifact]:
    """Write ``evidently.html`` and ``evidently.json`` into ``folder`` and add the run to the Evidently workspace.

    ``level`` is the p-value under which a number counts as drifted; of many classes only the likeliest are shown. Show
    the workspace with ``evidently ui --workspace FOLDER``. Raises ServiceError if Evidently fails.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import Report

    try:
        shown = _likeliest(reference, current)
        datasets = (_dataset(sample, shown) for sample in (current, reference))
        run = Report(_metrics(current, shown, level)).run(*datasets, timestamp=now, name=name, tags=[project])
        html, figures = folder / HTML_FILE, folder / JSON_FILE
        write_file(html, lambda temporary: run.save_html(str(temporary)))
        write_text(figures, json.dumps(json.loads(run.json()), indent=2) + "\n")
        _add_to_workspace(run, workspace, project)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(f"Evidently: expected a report of window {name}, found {type(error).__name__}: {error}") from error
    return Artifact.of(html), Artifact.of(figures)


def _likeliest(reference: Sample, current: Sample) -> list[str]:
    """Labels of the classes with the largest mean probability, counting reference and window alike, in the order of the labels."""
    means = reference.window.probabilities.mean(axis=0) + current.window.probabilities.mean(axis=0)
    return [current.labels[place] for place in sorted((-means).argsort(kind="stable")[:SHOWN_CLASSES])]


def _frame(sample: Sample, shown: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    window = sample.window
    frame = window.descriptors.reset_index(drop=True).assign(
        predicted=pd.Series(sample.predicted, dtype="object"), confidence=window.probabilities.max(axis=1)
    )
    places = [sample.labels.index(label) for label in shown]
    probabilities = pd.DataFrame(window.probabilities[:, places], columns=_probability_columns(shown))
    embeddings = pd.DataFrame(window.embeddings, columns=_embedding_columns(sample))
    return pd.concat([frame, probabilities, embeddings], axis=1)


def _embedding_columns(sample: Sample) -> list[str]:
    return [f"{EMBEDDING}:{index}" for index in range(sample.window.embeddings.shape[1])]


def _probability_columns(shown: Sequence[str]) -> list[str]:
    return [f"probability:{label}" for label in shown]


def _number_columns(sample: Sample, shown: Sequence[str]) -> list[str]:
    return [*map(str, sample.window.descriptors.columns), "confidence", *_probability_columns(shown)]


def _dataset(sample: Sample, shown: Sequence[str]) -> Any:
    from evidently import DataDefinition, Dataset

    definition = DataDefinition(
        numerical_columns=_number_columns(sample, shown),
        categorical_columns=["predicted"],
        embeddings={EMBEDDING: _embedding_columns(sample)},
    )
    return Dataset.from_pandas(_frame(sample, shown), data_definition=definition)


def _metrics(sample: Sample, shown: Sequence[str], level: float) -> list[Any]:
    from evidently.metrics import EmbeddingsDrift, RowCount, ValueDrift
    from evidently.metrics.embeddings import ModelDriftMethod

    numbers = [ValueDrift(column=name, method="ks", threshold=level) for name in _number_columns(sample, shown)]
    classes = ValueDrift(column="predicted", method="jensenshannon", threshold=CLASS_DISTANCE)
    embedding = EmbeddingsDrift(embeddings_name=EMBEDDING, drift_method=ModelDriftMethod(threshold=CLASSIFIER_AUC, bootstrap=False))
    return [RowCount(), *numbers, classes, embedding]


def _add_to_workspace(run: Any, folder: Path, project: str) -> None:
    from evidently.ui.workspace import Workspace

    folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.create(str(folder))
    known = workspace.search_project(project)
    workspace.add_run((known[0] if known else workspace.create_project(project)).id, run)
