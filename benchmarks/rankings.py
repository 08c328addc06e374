"""Rankings of a family's sources, read from the tables of what was measured, and what the advisor predicts of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rootstock.part import SimilarityMetric
from rootstock.records import JOINT, Outcome, sources_of
from rootstock.similarity.evidence import JOINED_SOURCES, evidence_of, nearness_of
from rootstock.similarity.gain_model import GainModel
from rootstock.similarity.join_sources import joined_evidence
from rootstock.similarity.shared_scores import MATCHED_CLASSES, SHARED_UNITS
from transfer_families import MODALITIES, TEXT_BACKBONE

HERE = Path(__file__).resolve().parent
CONFIDENCE = 0.9
ALONE = ""
HALVES = ("accuracy_first", "accuracy_second")


@dataclass(frozen=True)
class Cell:
    """One ranking: a target, a number of labelled rows, a draw of them."""

    target: str
    rows: int
    seed: int
    sources: tuple[str, ...]
    evidence: tuple[dict[str, float | None], ...]
    gains: NDArray[np.float64]
    """(s,) realised in this draw"""
    expected: NDArray[np.float64]
    """(s,) realised, mean over draws"""
    halves: NDArray[np.float64] | None
    """(2, s) realised, mean over draws, on either half of the test rows"""
    classes: int
    scores: pd.DataFrame
    nearness: dict[str, float]
    """source -> how near it lies to the target"""


def read_cells(family: str, metrics: tuple[SimilarityMetric, ...]) -> list[Cell]:
    """Every ranking of a family's tables."""
    outcomes = pd.read_csv(HERE / f"transfer_outcomes_{family}.csv", keep_default_na=False)
    scores = pd.read_csv(HERE / f"transfer_scores_{family}.csv", keep_default_na=False)
    units = {metric.name: metric.unit for metric in metrics} | SHARED_UNITS
    names = list(units)
    near = [metric.name for metric in metrics if not metric.reads_labels]
    scores = scores.reindex(columns=[*scores.columns, *(name for name in names if name not in scores)])
    numeric = [*names, "source_accuracy", "cpu_seconds"]
    scores[numeric] = scores[numeric].apply(pd.to_numeric, errors="coerce")
    scores["classes"] = scores["classes"].astype(int) if "classes" in scores else 2
    table = scores.merge(outcomes, on=["target", "source", "seed", "labelled_rows"])
    for column in ("accuracy", *(half for half in HALVES if half in table)):
        gain = table[column] - table.groupby(["target", "seed", "labelled_rows"])[column].transform(
            lambda accuracy: accuracy[table.loc[accuracy.index, "source"] == ALONE].iloc[0]
        )
        table[f"gain in {column}"] = gain
        table[f"expected {column}"] = gain.groupby([table["target"], table["source"], table["labelled_rows"]]).transform("mean")
    cells = []
    for (target, rows, seed), part in table.groupby(["target", "labelled_rows", "seed"]):
        by_source = part.set_index("source")
        seen = by_source[names].astype(object).where(by_source[names].notna(), None).to_dict("index")
        sources = tuple(name for name in by_source.index if name != ALONE)
        classes = int(part["classes"].iloc[0])
        evidence = evidence_of(seen, units, alone=ALONE, domains=sources, classes=classes)
        chosen = by_source.loc[list(sources)]
        cells.append(
            Cell(
                str(target), int(rows), int(seed), sources, tuple(evidence[name] for name in sources),
                chosen["gain in accuracy"].to_numpy(), chosen["expected accuracy"].to_numpy(), _halves(chosen), classes, chosen,
                nearness_of(seen, near, domains=sources),
            )
        )  # fmt: skip
    return cells


def _halves(chosen: pd.DataFrame) -> NDArray[np.float64] | None:
    columns = [f"expected {half}" for half in HALVES]
    return chosen[columns].to_numpy().T if set(columns) <= set(chosen.columns) else None


def with_joined(family: str, cells: list[Cell]) -> list[Cell]:
    """Every ranking with the advisor's best sources together as one more candidate, where that was measured."""
    path = HERE / f"transfer_joined_{family}.csv"
    if not path.is_file():
        return cells
    table = gains_of(family, path)
    table = table[table["source"].str.contains(JOINT, regex=False)]
    rows = {(row["target"], row["labelled_rows"], row["seed"]): row for row in table.to_dict("records")}
    return [_extended(cell, rows[key]) if (key := (cell.target, cell.rows, cell.seed)) in rows else cell for cell in cells]


def gains_of(family: str, path: Path) -> pd.DataFrame:
    """A table of outcomes with the gain over no transfer of every draw, and its mean over draws."""
    outcomes = pd.read_csv(HERE / f"transfer_outcomes_{family}.csv", keep_default_na=False)
    alone = outcomes[outcomes["source"] == ALONE].drop(columns=["family", "source", "test_rows", "source_tuning_cpu_seconds"])
    table = pd.read_csv(path).merge(alone, on=["target", "seed", "labelled_rows"], suffixes=("", " alone"))
    is_joined = table["source"].str.contains(JOINT, regex=False)
    for column in ("accuracy", *HALVES):
        if f"{column} alone" in table:
            gain = table[column] - table[f"{column} alone"]
            table[f"gain in {column}"] = gain
            table[f"expected {column}"] = gain.groupby([table["target"], table["labelled_rows"], is_joined]).transform("mean")
    return table


def _extended(cell: Cell, row: dict[str, Any]) -> Cell:
    members = [cell.sources.index(name) for name in sources_of(row["source"])]
    halves = None
    if cell.halves is not None:
        halves = np.column_stack([cell.halves, [row[f"expected {half}"] for half in HALVES]])
    return replace(
        cell,
        sources=(*cell.sources, row["source"]),
        evidence=(*cell.evidence, joined_evidence([cell.evidence[member] for member in members])),
        scores=pd.concat([cell.scores, cell.scores.iloc[members].mean(numeric_only=True).to_frame(row["source"]).T]),
        gains=np.append(cell.gains, row["gain in accuracy"]),
        expected=np.append(cell.expected, row["expected accuracy"]),
        halves=halves,
    )


def outcomes_of(cells: list[Cell], family: str) -> tuple[Outcome, ...]:
    """Cells as past outcomes."""
    return tuple(
        Outcome(
            task=family, target=cell.target, source=source, backbone=TEXT_BACKBONE, labelled_rows=cell.rows, classes=cell.classes,
            evidence=evidence, predicted=None, realised=float(gain),
        )
        for cell in cells
        for source, evidence, gain in zip(cell.sources, cell.evidence, cell.gains, strict=True)
    )  # fmt: skip


def as_advised(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """Without sources together that lack some of the target's classes: the advisor joins none whose classes differ."""
    return tuple(o for o in outcomes if o.evidence.get(JOINED_SOURCES) is None or knows_every_class(o.evidence))


def knows_every_class(evidence: dict[str, float | None]) -> bool:
    """Of the target's."""
    return evidence[MATCHED_CLASSES] == 1


def names_of(past: tuple[Outcome, ...]) -> tuple[str, ...]:
    """Evidence that some outcome has."""
    return tuple(sorted({name for outcome in past for name, value in outcome.evidence.items() if value is not None}))


def predict(
    family: str,
    cells: list[Cell],
    past: tuple[Outcome, ...],
    names: tuple[str, ...],
    *,
    leave_out: bool,
    own: tuple[Outcome, ...] = (),
    kindred: bool = False,
) -> dict[int, Any]:
    """Cell number -> (gain, low, high, risk), each (s,).

    With ``leave_out``, without any of the ``past`` that the cell's target took part in; of the team's ``own``, none of these is
    ever seen, nor any at another number of labelled rows. ``kindred`` tells families of the same modality from others.
    """
    models: dict[str, GainModel] = {}
    kin = frozenset(task for task in MODALITIES if kindred and MODALITIES[task] == MODALITIES[family])
    found = {}
    for number, cell in enumerate(cells):
        key = f"{cell.target} {cell.rows}"
        if key not in models:
            kept = tuple(outcome for outcome in past if not leave_out or not _took_part(cell, outcome, family))
            mine = tuple(outcome for outcome in own if outcome.labelled_rows == cell.rows and not _took_part(cell, outcome, family))
            models[key] = GainModel(kept, mine, names, kin)
        said = models[key].predict(
            cell.evidence, cell.sources, target=cell.target, nearness=cell.nearness, rows_per_class=cell.rows / cell.classes,
            confidence=CONFIDENCE,
        )  # fmt: skip
        found[number] = np.array([[p.gain, p.low, p.high, p.risk] for p in said]).T
    return found


def _took_part(cell: Cell, outcome: Outcome, family: str) -> bool:
    return outcome.task == family and cell.target in (outcome.target, *sources_of(outcome.source))


def one_a_run(cells: list[Cell], said: dict[int, Any], family: str) -> tuple[Outcome, ...]:
    """What a team's runs keep of the cells: in each ranking, what came of the source that was put first, as ``said``."""
    found = []
    for number, cell in enumerate(cells):
        first = cell.sources[int(np.argmax(said[number][0]))]
        found += [outcome for outcome in outcomes_of([cell], family) if outcome.source == first]
    return tuple(found)
