"""How much there is to do in each stage: rows, and how often a model sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rootstock.params import DataParams, Params
from rootstock.part import FineTuneMethod
from rootstock.records import PreparedData

#: Starts that fine-tuning tries each method from: the tuned backbone, and the bare one as control.
STARTS = 2


@dataclass(frozen=True)
class Sizes:
    """Rows of a task's data."""

    train: int
    test: int
    sources: Mapping[str, int]

    @property
    def all(self) -> int:
        """Rows of every split that is prepared."""
        return self.train + self.test + sum(self.sources.values())


def sizes_of(prepared: PreparedData) -> Sizes:
    """Rows as they were prepared."""
    splits = prepared.target.splits
    return Sizes(splits["train"].rows, splits["test"].rows, {each.name: each.splits["train"].rows for each in prepared.sources})


def sizes_from_cards(target: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]], data: DataParams) -> Sizes:
    """Rows as ``prepare`` will cut them, from the datasets' cards alone; near, as it also drops what is contaminated.

    ``class_counts`` of a card: declared split (or an empty text) -> label -> rows.
    """
    counts: Mapping[str, Mapping[str, int]] = target["class_counts"]
    declared = sum(_labelled(counts.get("test", {}), data).values())
    train = test = 0
    for label in {label for split in counts.values() for label in _labelled(split, data)}:
        pool = sum(_labelled(split, data).get(label, 0) for name, split in counts.items() if name in ("train", ""))
        held_out = 0 if declared else round(data.test_fraction * pool)
        test += held_out
        train += _at_most(data.labelled_rows_per_class, pool - held_out)
    test = declared or test
    labelled = {
        name: sum(sum(_labelled(split, None).values()) for split in card["class_counts"].values()) for name, card in sources.items()
    }
    return Sizes(train, _at_most(data.test_rows, test), {name: _at_most(data.source_rows, rows) for name, rows in labelled.items()})


def _at_most(limit: int | None, rows: int) -> int:
    return rows if limit is None else min(limit, rows)


def _labelled(split: Mapping[str, int], data: DataParams | None) -> dict[str, int]:
    wanted = data.labels if data is not None else None
    return {label: rows for label, rows in split.items() if label and (wanted is None or label in wanted)}


def work_of(
    sizes: Sizes, params: Params, *, candidates: int, tuned_rows: int, rounds: tuple[tuple[int, int], ...]
) -> dict[str, int]:
    """Row passes of each stage; a stage without rows counts 1.

    ``candidates`` are scored, and the backbone learns from ``tuned_rows`` rows of its source after ``rounds`` of halving: in each,
    so many candidates are tried on so many rows of their source.
    """
    source_rows = sum(sizes.sources.values())
    backbones = 1 + len(params.backbone.alternatives)
    methods = params.finetuning.methods
    epochs = sum(epochs_of(method) for method in methods)
    folds = params.finetuning.folds
    return {
        "resolve": 1,
        "incumbent": 1,
        "history": 1,
        "prepare": sizes.all,
        "validate": sizes.all,
        "embed": backbones * (sizes.train + source_rows),
        "score": candidates * sizes.train + backbones * source_rows,
        "select": epochs_of(params.similarity.halving.method) * sum(count * rows for count, rows in rounds),
        "tune": epochs_of(params.finetuning.source) * tuned_rows,
        "finetune": sizes.train * (STARTS * folds * epochs + max(epochs_of(method) for method in methods)),
        "ladder": sizes.train * (epochs_of(params.evaluation.scratch) + folds * epochs) + sizes.test,
        "evaluate": 2 * sizes.test,
        "decide": 1,
        "register": 1,
    }


def epochs_of(method: FineTuneMethod) -> int:
    """Passes over the rows that a method makes; one where it is not trained by epochs."""
    return int(getattr(method, "epochs", 1))


def rounds_at_most(sizes: Sizes, params: Params) -> tuple[tuple[int, int], ...]:
    """Rounds of successive halving, (candidates, rows of each), if no leader is clear before the end."""
    return tuple(_rounds(min(params.similarity.halving.candidates, _domains(sizes, params)), sizes, params))


def _rounds(left: int, sizes: Sizes, params: Params) -> Iterator[tuple[int, int]]:
    rows, most = params.similarity.halving.source_rows, max(sizes.sources.values(), default=0)
    while left > 1:
        yield left, min(rows, most)
        left = 1 if rows >= most else math.ceil(left / 2)
        rows *= 2


def candidates_of(sizes: Sizes, params: Params, *, versions: int) -> int:
    """Candidates to score: every backbone alone and with every source, from scratch, and ``versions`` of the registry."""
    return 1 + len(params.backbone.alternatives) + _domains(sizes, params) + 1 + versions


def _domains(sizes: Sizes, params: Params) -> int:
    return (1 + len(params.backbone.alternatives)) * len(sizes.sources)
