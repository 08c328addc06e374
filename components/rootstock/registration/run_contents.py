"""What one run says in the experiment tracker: parameters, metrics and lineage as flat names and values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from rootstock.records import Curve, Dataset, EvalReport, Measure, PreparedData, Selection, Value, sources_of

#: Characters that MLflow does not take in a name.
NOT_IN_NAMES = re.compile(r"[^\w\-. /]")
LONGEST_TAG = 4000


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    name: str
    value: float
    step: int


@dataclass(frozen=True)
class Lineage:
    """A dataset that the run read."""

    name: str
    digest: str
    source: str
    """JSON: registry, revision, git commit, DVC hash"""
    profile: str
    """JSON: rows a split"""
    context: str
    """``target``, ``source`` (learned from) or ``considered``"""


@dataclass(frozen=True)
class RunContents:
    """All that is logged."""

    params: Mapping[str, str]
    points: tuple[Point, ...]
    lineage: tuple[Lineage, ...]
    tags: Mapping[str, str]
    records: Mapping[str, Value]
    """file name without ending -> record, kept as JSON artifacts"""


def flat(sections: Mapping[str, object]) -> dict[str, str]:
    """Nested parameters as ``finetuning.methods.0.rank`` -> text."""
    return {_name(path): value for key, section in sections.items() for path, value in _leaves(key, section)}


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", serialize_as_any=True)
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(f"{path}.{index}", inner)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def metric_points(report: EvalReport, curves: tuple[Curve, ...]) -> tuple[Point, ...]:
    """The model's measures with both ends of their intervals, then champion's and baselines', then the learning curves."""
    points = list(_measured("", report.measures))
    if report.champion is not None:
        points += _measured("champion.", report.champion.measures)
    for baseline in report.baselines:
        points += _measured(f"baseline.{baseline.name}.", baseline.measures)
    for curve in curves:
        points += _steps(curve)
    return tuple(points)


def _measured(prefix: str, measures: Mapping[str, Measure]) -> Iterator[Point]:
    for name, measure in measures.items():
        for end, value in (("", measure.value), (".low", measure.low), (".high", measure.high)):
            yield Point(_name(f"{prefix}{name}{end}"), value, 0)


def _steps(curve: Curve) -> Iterator[Point]:
    whole = all(float(x).is_integer() for x in curve.x)  # MLflow's steps are whole numbers, epochs may not be
    for index, (x, y) in enumerate(zip(curve.x, curve.y, strict=True)):
        yield Point(_name(f"curve.{curve.name}"), y, int(x) if whole else index)


def lineage(prepared: PreparedData, selection: Selection, registry: str) -> tuple[Lineage, ...]:
    """The target, and every source with whether it was learned from."""
    learned = sources_of(selection.chosen)
    contexts = ((source, "source" if source.name in learned else "considered") for source in prepared.sources)
    return tuple(_trace(dataset, context, registry) for dataset, context in ((prepared.target, "target"), *contexts))


def _trace(dataset: Dataset, context: str, registry: str) -> Lineage:
    source = {"registry": registry, **dataset.revision.model_dump(mode="json")}
    rows = {split: file.rows for split, file in dataset.splits.items()}
    return Lineage(dataset.name, dataset.revision.md5, json.dumps(source), json.dumps({"num_rows": rows}), context)


def tag_text(value: object) -> str:
    """A tag's value, cut to what every backend takes."""
    text = "none" if value is None else str(value)
    return text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…"


def _name(text: str) -> str:
    return NOT_IN_NAMES.sub("_", text)[:250]
