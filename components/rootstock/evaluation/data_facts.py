"""What a gate must know of the data: whether it was checked, and whether anything was measured on what was learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import training_hashes
from rootstock.records import DataFacts, PreparedData, TrainedModel, ValidationReport, sources_of
from rootstock.rows import were_learned

if TYPE_CHECKING:
    import pandas as pd


def data_facts(
    prepared: PreparedData, validated: ValidationReport, trained: TrainedModel, test: pd.DataFrame, *, is_out_of_fold: bool
) -> DataFacts:
    """The facts, for the rows that the model was measured on."""
    target = [result for result in validated.results if result.dataset == prepared.target.name]
    learned = frozenset() if is_out_of_fold else training_hashes(Path(trained.model.path))
    sources = {source.name: source.contamination for source in prepared.sources if source.name in sources_of(trained.source)}
    return DataFacts(
        validated=validated.passed,
        checks=len(target),
        failed_checks=tuple(f"{result.check}: {result.reason}" for result in target if not result.passed),
        contamination={name: found.exact + found.near if found is not None else None for name, found in sources.items()},
        learned_rows=int(were_learned(test, learned).sum()),
        rows=len(test),
    )
