"""A month of production, played with the demo's paragraphs: quiet windows, a drifted one, new labels, retraining."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.classifier import Classifier
from rootstock.data import registry
from rootstock.data.card import make_card
from rootstock.data.demo_docs import build_docs, stream
from rootstock.files import write_file
from rootstock.monitoring.predict import predict_file
from rootstock.monitoring.prediction_log import PredictionLog
from rootstock.params import Params
from rootstock.records import DriftReport, Measure, RetrainDecision
from rootstock.registration.versions import download_model
from rootstock.report.timeline import write_timeline
from rootstock.report.window_line import WindowLine

from rootstock_flows.retrain import run_retrain
from rootstock_flows.session import clean_output, say
from rootstock_flows.train import run_train

if TYPE_CHECKING:
    import pandas as pd

#: Share of the target's paragraphs that is labelled when the month begins; the rest is asked about, or arrives later.
ARRIVED = 0.55
#: The library whose documentation the application is suddenly asked about.
DRIFT_SOURCE = "scipy-docs"
QUIET_WINDOWS = 3
#: Labelled paragraphs a topic when the month begins, and how many rows of each of two windows the team labels later.
LABELLED_ROWS_PER_CLASS = 12
LABELLED_ROWS_PER_WINDOW = 60
DAYS_BETWEEN = 7


@dataclass(frozen=True)
class Episode:
    """What the application is asked in one window, and what arrives in the data registry before the watch looks."""

    label: str
    rows: pd.DataFrame
    """columns ``id``, ``input``, and ``label``, which only the month's own scoring reads"""
    arrivals: pd.DataFrame | None


def month_of(params: Params, workspace: str) -> Params:
    """The task as the month plays it, in a workspace of its own.

    The target says by itself which rows are labelled, so all of them are used, the new ones too; and the library that the
    application is asked about later is no source, or the champion would have learned its paragraphs before.
    """
    sources = tuple(name for name in params.data.sources if name != DRIFT_SOURCE)
    changed = {"registry": f"{workspace}/data", "labelled_rows_per_class": None, "sources": sources}
    return params.model_copy(update={"workspace": workspace, "data": params.data.model_copy(update=changed)})


def play(params: Params) -> tuple[Path, list[WindowLine]]:
    """Play the month in a workspace of its own; gives the timeline's page and its lines.

    Everything is the real thing: registry versions, the main job, batch predictions, the watch, retraining through the same gates.
    """
    shutil.rmtree(params.workspace, ignore_errors=True)
    now = datetime(2026, 1, 5, 6, tzinfo=UTC)
    with clean_output():
        for name, frame in build_docs(arrived=ARRIVED).items():
            _version(params, name, _few_labels(frame) if name == params.data.target else frame)
        say("day 1: the first champion")
        run_train(params)
    lines: list[WindowLine] = []
    for number, episode in enumerate(_episodes(params)):
        day = now + timedelta(days=DAYS_BETWEEN * (number + 1))
        with clean_output():
            lines.append(_live(params, episode, day))
        say(f"day {1 + DAYS_BETWEEN * (number + 1)}: {_line(lines[-1])}")
    page = write_timeline(lines, task=params.task, folder=Path(params.workspace))
    return page, lines


def _episodes(params: Params) -> list[Episode]:
    """Three quiet weeks, a week of questions about another library, the same again once some of it is labelled, a week after."""
    rows = params.monitoring.window_rows
    everything = build_docs()
    labels = {name: dict(zip(frame["id"], frame["label"], strict=True)) for name, frame in everything.items()}
    quiet = stream(arrived=ARRIVED, rows=rows, windows=QUIET_WINDOWS)
    moved = stream(arrived=ARRIVED, rows=rows, windows=3, source=DRIFT_SOURCE)
    known = set(labels[params.data.target].values())
    asked = [frame.assign(label=frame["id"].map(labels[params.data.target])) for frame in quiet]
    drifted = [frame.assign(label=frame["id"].map(labels[DRIFT_SOURCE])) for frame in moved]
    labelled = _label([asked[-1], drifted[0]], known)
    return [
        *(Episode(f"week-{i + 1}", frame, None) for i, frame in enumerate(asked)),
        Episode(f"week-{QUIET_WINDOWS + 1}", drifted[0], None),
        Episode(f"week-{QUIET_WINDOWS + 2}", drifted[1], labelled),
        Episode(f"week-{QUIET_WINDOWS + 3}", drifted[2], None),
    ]


def _few_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """The target with few rows a class to learn from; the others are for the test."""
    place = frame.groupby("label").cumcount()
    return frame.assign(split=place.lt(LABELLED_ROWS_PER_CLASS).map({True: "train", False: "test"}))


def _label(windows: list[pd.DataFrame], known: set[str]) -> pd.DataFrame:
    """What the team labels of past windows: every second row to learn from, the others for the test."""
    import pandas as pd

    rows = pd.concat([frame[frame["label"].isin(known)].head(LABELLED_ROWS_PER_WINDOW) for frame in windows], ignore_index=True)
    return rows.assign(split=["train" if index % 2 else "test" for index in range(len(rows))])


def _live(params: Params, episode: Episode, now: datetime) -> WindowLine:
    """One window: predict, let new labels arrive, watch, and retrain if the decision says so."""
    accuracy = _predict(params, episode, now)
    if episode.arrivals is not None:
        target = params.data.target
        newest = registry.resolve(Path(params.data.registry), target, "latest")
        old = registry.read_rows(Path(params.data.registry), newest)
        _version(params, target, _append(old, episode.arrivals))
    document = run_retrain(params, batch=episode.label, now=now)
    run = document["run"]
    promoted = run["registration"]["version"] if run and run["status"] == "promoted" else None
    report = DriftReport.model_validate(document["drift"])
    decision = RetrainDecision.model_validate(document["decision"])
    return WindowLine.from_records(report, decision, promoted=promoted, accuracy=accuracy)


def _append(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    rows = pd.concat([old, new[["id", "input", "label", "split"]]], ignore_index=True)
    return rows.drop_duplicates("id").sort_values("id", ignore_index=True)


def _version(params: Params, name: str, frame: pd.DataFrame) -> None:
    card = make_card(frame, modality="text", origin="documentation of installed packages")
    registry.add(Path(params.data.registry), name, frame, card=card)


def _predict(params: Params, episode: Episode, now: datetime) -> Measure | None:
    """Ask the champion as an application would, by file; its accuracy where the paragraph's topic is one that it knows."""
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    model = params.registration.model
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / f"{episode.label}.csv", Path(folder) / "answers.csv"
        column = params.data.columns.input
        table = episode.rows.rename(columns={"input": column})[["id", column]]
        write_file(asked, lambda temporary: table.to_csv(temporary, index=False))

        def load() -> tuple[str, Classifier]:
            version, path = download_model(model, "champion", workspace=params.workspace, folder=Path(folder) / "model")
            return version, Classifier.load(path)

        log = PredictionLog.of(params.workspace, model)
        predict_file(asked, answered, load=load, data=params.data, log=log, now=now)
        answers = pd.read_csv(answered)
    right = (answers["predicted"].to_numpy() == episode.rows["label"].to_numpy())[episode.rows["label"].notna().to_numpy()]
    if not len(right):
        return None
    low, high = proportion_confint(int(right.sum()), len(right), method="wilson")
    value = float(right.mean())
    return Measure(value=value, low=float(low), high=float(high), n=len(right), unit="share", higher_is_better=True)


def _line(line: WindowLine) -> str:
    accuracy = f"accuracy {line.accuracy.value:.2f}" if line.accuracy else "no labels"
    return f"{line.label}: {line.decision}, {line.rows} rows, champion {line.champion}, {accuracy}. {line.reason}"


def as_document(page: Path, lines: list[WindowLine]) -> dict[str, Any]:
    """The month for machines."""
    windows = [
        {
            "window": line.label, "rows": line.rows, "champion": line.champion, "drifted": line.drifted, "decision": line.decision,
            "reason": line.reason, "promoted": line.promoted,
            "accuracy": line.accuracy.model_dump(mode="json") if line.accuracy else None,
        }
        for line in lines
    ]  # fmt: skip
    return {"windows": windows, "report": page.as_posix()}
