"""How much there is to do in each stage: rows, and how often a model sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rootstock.finetuning.choose_method import Chosen, Circumstances, choose_method
from rootstock.params import DataParams, Params
from rootstock.part import FineTuneMethod
from rootstock.records import PreparedData
from rootstock.reload import TIMED_ROWS, WARM_UP_ROWS
from rootstock.rows import tested_split

#: Deeper than any backbone: a method that names no layers is taken to train all of them.
MANY_LAYERS = 1000
#: Starts that fine-tuning tries each method from: the tuned backbone, and the bare one as control.
STARTS = 2


@dataclass(frozen=True)
class Sizes:
    """Rows of a task's data."""

    train: int
    test: int
    sources: Mapping[str, int]
    classes: int
    unlabelled: int = 0
    """of the target, whose labels are not known or not read"""

    @property
    def all(self) -> int:
        """Rows of every split that is prepared."""
        return self.train + self.test + sum(self.sources.values())


def sizes_of(prepared: PreparedData) -> Sizes:
    """Rows as they were prepared."""
    target = prepared.target
    tested = target.splits[tested_split(target)].rows
    sources = {each.name: each.splits["train"].rows for each in prepared.sources}
    others = target.splits["unused"].rows if "unused" in target.splits else 0
    return Sizes(target.splits["train"].rows, tested, sources, len(target.labels), others)


def sizes_from_cards(target: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]], data: DataParams) -> Sizes:
    """Rows as ``prepare`` will cut them, from the datasets' cards alone; near, as it also drops what is contaminated.

    ``class_counts`` of a card: declared split (or an empty text) -> label -> rows.
    """
    counts: Mapping[str, Mapping[str, int]] = target["class_counts"]
    declared = sum(_labelled(counts.get("test", {}), data).values())
    train = test = 0
    labels = {label for split in counts.values() for label in _labelled(split, data)}
    for label in labels:
        pool = sum(_labelled(split, data).get(label, 0) for name, split in counts.items() if name in ("train", ""))
        held_out = 0 if declared else round((data.test_fraction or 0) * pool)
        test += held_out
        train += _at_most(data.labelled_rows_per_class, pool - held_out)
    test = declared or (train if data.test_fraction is None else test)
    labelled = {
        name: sum(sum(_labelled(split, None).values()) for split in card["class_counts"].values()) for name, card in sources.items()
    }
    capped = {name: _at_most(data.source_rows, rows) for name, rows in labelled.items()}
    test = _at_most(data.test_rows, test)
    kept = sum(sum(_labelled(split, data).values()) + split.get("", 0) for split in counts.values())
    return Sizes(train, test, capped, len(labels), kept - train - (0 if data.test_fraction is None and not declared else test))


def _at_most(limit: int | None, rows: int) -> int:
    return rows if limit is None else min(limit, rows)


def _labelled(split: Mapping[str, int], data: DataParams | None) -> dict[str, int]:
    wanted = data.labels if data is not None else None
    return {label: rows for label, rows in split.items() if label and (wanted is None or label in wanted)}


@dataclass(frozen=True)
class Forward:
    """The first backbone on this machine."""

    layers: int
    rows_per_second: float
    """embedded"""


def rule_of(sizes: Sizes, params: Params, *, forward: Forward | None) -> Chosen | None:
    """What the rule of ``choose: auto`` will take for so many rows, and why; None where all methods are compared.

    The budget counts only with ``forward``. A source's head may still turn the rule to a linear probe, which takes less. Raises
    ParamsError as the rule does.
    """
    if params.finetuning.choose != "auto":
        return None
    at = Circumstances(
        sizes.train,
        max(1, sizes.classes),
        carried_loss=None,
        layers=forward.layers if forward else MANY_LAYERS,
        forward_rows_per_second=forward.rows_per_second if forward else None,
        budget_minutes=params.finetuning.budget_minutes,
    )
    return choose_method(params.finetuning.methods, at)


def methods_of(sizes: Sizes, params: Params, *, forward: Forward | None = None) -> tuple[FineTuneMethod, ...]:
    """Methods that fine-tuning will compare: all of them, or the one of ``rule_of``."""
    chosen = rule_of(sizes, params, forward=forward)
    return (chosen.method,) if chosen else params.finetuning.methods


def work_of(
    sizes: Sizes,
    params: Params,
    *,
    candidates: int,
    tuned_rows: int,
    rounds: tuple[tuple[int, int], ...],
    methods: Sequence[FineTuneMethod] | None = None,
    has_champion: bool = False,
) -> dict[str, int]:
    """Row passes of each stage; a stage without rows counts 1.

    ``candidates`` are scored, and the backbone learns from ``tuned_rows`` rows of its source after ``rounds`` of halving: in each,
    so many sources are tried on so many of their rows. ``methods`` were compared, if that is known; a champion answers
    the test rows too. A search of learning rates is not in it (see ``search_passes``).
    """
    source_rows = sum(sizes.sources.values())
    backbones = 1 + len(params.backbone.alternatives)
    methods = methods_of(sizes, params) if methods is None else methods
    epochs = sum(epochs_of(method) for method in methods)
    longest = max(epochs_of(method) for method in methods)
    folds = params.finetuning.folds
    return {
        "resolve": 1,
        "incumbent": 1,
        "history": 1,
        "looks": 1,
        "prepare": sizes.all,
        "validate": sizes.all,
        "embed": backbones * (sizes.train + source_rows),
        "score": candidates * min(sizes.train, max(params.similarity.labelled_rows, 2 * sizes.classes)) + backbones * source_rows,
        "select": epochs_of(params.similarity.halving.method) * sum(count * rows for count, rows in rounds),
        "tune": epochs_of(params.finetuning.source) * tuned_rows,
        "finetune": sizes.train * (STARTS * folds * epochs + longest) + _unlabelled_work(sizes, methods, folds=folds),
        "ladder": _ladder_work(sizes, params, epochs=epochs, longest=longest),
        "measure": (1 + has_champion + len(params.evaluation.perturbations)) * sizes.test,
        "reload": sizes.test + min(sizes.test, TIMED_ROWS) + WARM_UP_ROWS if params.evaluation.reload else 0,
        "decide": 1,
        "register": 1,
    }


def _unlabelled_work(sizes: Sizes, methods: Sequence[FineTuneMethod], *, folds: int) -> int:
    """Row passes over rows without label: once from each start, and again after every training of a backbone."""
    passes = ((method, STARTS * (1 + folds) + 1 if getattr(method, "after", None) else STARTS) for method in methods)
    return sum(count * min(getattr(method, "unlabelled_rows", 0), sizes.unlabelled) for method, count in passes)


def _ladder_work(sizes: Sizes, params: Params, *, epochs: int, longest: int) -> int:
    """Row passes of the ladder: out of fold, of all that makes the model too, in every fold of every repeat."""
    folds, evaluation, scratch = params.finetuning.folds, params.evaluation, epochs_of(params.evaluation.scratch)
    if evaluation.rows == "out_of_fold":
        fits = evaluation.repeats * (evaluation.folds - 1)  # each of so many fits a repeat lacks one fold's rows
        return fits * sizes.train * (scratch + STARTS * folds * epochs + 2 * longest) + evaluation.repeats * sizes.test
    # Without transfer the model's own method is cross-validated and fitted once more.
    return sizes.train * (scratch + (folds + 1) * longest) + sizes.test


@dataclass(frozen=True)
class SearchPasses:
    """Row passes of a search of learning rates."""

    trials: int
    """that its minutes may cut short"""
    afterwards: int
    """to compare what it found with the rates of the params"""


def search_passes(sizes: Sizes, params: Params, *, methods: Sequence[FineTuneMethod] | None = None) -> SearchPasses | None:
    """What a search adds to fine-tuning at most; None where none is asked for, or no method has learning rates."""
    search, folds = params.finetuning.search, params.finetuning.folds
    methods = methods_of(sizes, params) if methods is None else methods
    longest = max((epochs_of(method) for method in methods if hasattr(method, "learning_rate")), default=0)
    if search is None or longest == 0:
        return None
    return SearchPasses(search.trials * folds * longest * sizes.train, 2 * folds * longest * sizes.train)


def epochs_of(method: FineTuneMethod) -> int:
    """Passes over the labelled rows that a method makes, or one that it trains first; one where nothing is trained by epochs."""
    return int(getattr(getattr(method, "after", None) or method, "epochs", 1))


def rounds_at_most(sizes: Sizes, params: Params) -> tuple[tuple[int, int], ...]:
    """Rounds of successive halving, (sources learned from, rows of each), if no leader is clear before the end."""
    entrants = _domains(sizes, params) + (_most_joined(sizes, params) > 1)
    return tuple(_rounds(min(params.similarity.halving.candidates, entrants), sizes, params))


def tuned_rows_at_most(sizes: Sizes, params: Params) -> int:
    """Rows of the largest source, or of the largest ones that may be learned from together."""
    return sum(sorted(sizes.sources.values(), reverse=True)[: _most_joined(sizes, params)])


def _most_joined(sizes: Sizes, params: Params) -> int:
    return max(1, min(params.similarity.joined_sources, len(sizes.sources)))


def _rounds(left: int, sizes: Sizes, params: Params) -> Iterator[tuple[int, int]]:
    rows, most = params.similarity.halving.source_rows, max(sizes.sources.values(), default=0)
    while left > 1:
        yield left + _most_joined(sizes, params) - 1, min(rows, most)
        left = 1 if rows >= most else math.ceil(left / 2)
        rows *= 2


def candidates_of(sizes: Sizes, params: Params, *, versions: int) -> int:
    """Candidates to score: every backbone alone and with every source, from scratch, and ``versions`` of the registry."""
    return 1 + len(params.backbone.alternatives) + _domains(sizes, params) + 1 + versions


def _domains(sizes: Sizes, params: Params) -> int:
    return (1 + len(params.backbone.alternatives)) * len(sizes.sources)
