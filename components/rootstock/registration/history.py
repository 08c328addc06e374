"""The team's own outcomes: what rankings predicted and what came of it, kept with the runs in MLflow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from rootstock.records import (
    NO_TRANSFER,
    EvalReport,
    History,
    Measure,
    Outcome,
    PreparedData,
    Selection,
    SourceRanking,
    TrainedModel,
)
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.run_contents import LONGEST_TAG, Point

#: Tag of a run that transferred something: its Outcome as JSON.
OUTCOME_TAG = "rootstock.outcome"
#: So many of the newest outcomes are read.
LONGEST_HISTORY = 1000
ACCURACY = "accuracy"


def read_history(*, workspace: str, run_key: str, folder: Path) -> History:
    """Outcomes of all tasks in the tracking store, oldest first, at most the newest 1000.

    A run whose outcome cannot be read is passed over. So is the run of ``run_key`` itself, that it ends the same when it is gone
    through again, and an outcome that repeats an older one (another gate, the same training): it was measured once.
    Raises ServiceError if MLflow does not answer.
    """
    client = registry.tracking(workspace)
    texts = registry.find_tagged(client, OUTCOME_TAG, newest=LONGEST_HISTORY, except_key=run_key)
    return History(outcomes=tuple(_measured_once(_parsed(texts))))


def _parsed(texts: Iterable[str]) -> Iterable[Outcome]:
    for text in texts:
        try:
            yield Outcome.model_validate_json(text)
        except ValueError:  # written by another version, or edited by hand
            continue


def _measured_once(outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
    seen = set()
    for outcome in outcomes:
        measured = outcome.model_copy(update={"predicted": None}).model_dump_json()
        if measured not in seen:
            seen.add(measured)
            yield outcome


def outcome_of(
    trained: TrainedModel, report: EvalReport, ranking: SourceRanking, selection: Selection, prepared: PreparedData, *, task: str
) -> Outcome | None:
    """What was predicted of the chosen candidate, and the accuracy that it gained over no transfer on the same test rows.

    None where nothing was transferred: no candidate was chosen, or the model was in the end trained from the bare backbone. None
    too where the model stands on another backbone than the first: gains are predicted over the first, and the rung without
    transfer stands on the model's own, so what was predicted was not measured.
    """
    candidate = next((each for each in ranking.candidates if each.name == selection.chosen_name), None)
    control = next((rung for rung in report.baselines if rung.name == NO_TRANSFER), None)
    if candidate is None or control is None or selection.chosen is None or trained.source is None:
        return None
    if selection.backbone != ranking.first_backbone:
        return None
    mine, other = report.measures[ACCURACY], control.measures[ACCURACY]
    return Outcome(
        task=task,
        target=prepared.target.name,
        source=candidate.source,
        backbone=candidate.backbone,
        labelled_rows=prepared.target.splits["train"].rows,
        classes=len(prepared.target.labels),
        evidence=candidate.evidence,
        predicted=candidate.predicted_gain.value if candidate.predicted_gain is not None else None,
        realised=mine.value - other.value,
        standard_error=math.sqrt(report.variance_inflation * (_variance(mine) + _variance(other))),
    )


def _variance(accuracy: Measure) -> float:
    """Of an accuracy over n rows, drawn towards one half (Agresti and Coull 1998), so that all right is not taken for certain.

    For a difference of two on the same rows the sum of both is too much rather than too little.
    """
    share = (accuracy.value * accuracy.n + 2.0) / (accuracy.n + 4.0)
    return share * (1.0 - share) / (accuracy.n + 4.0)


def gain_points(outcome: Outcome, ranking: SourceRanking, selection: Selection) -> tuple[Point, ...]:
    """Predicted gain with both ends of its interval, risk of negative transfer, and realised gain, as metrics of the run."""
    candidate = next(each for each in ranking.candidates if each.name == selection.chosen_name)
    gain = candidate.predicted_gain
    values = {"risk": candidate.risk, "realised": outcome.realised}
    if gain is not None:
        values |= {"predicted": gain.value, "predicted_low": gain.low, "predicted_high": gain.high}
    return tuple(Point(f"gain.{name}", value, 0) for name, value in values.items() if value is not None)


def outcome_tags(outcome: Outcome | None) -> dict[str, str]:
    """The tag that the history is read from; a text longer than every backend takes would be cut and is left out."""
    text = outcome.model_dump_json() if outcome is not None else ""
    return {OUTCOME_TAG: text} if 0 < len(text) <= LONGEST_TAG else {}
