"""The stage that asks whether the data may be learned from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.errors import DataError
from rootstock.params import ValidationParams
from rootstock.records import Artifact, CheckResult, Dataset, PreparedData, ValidationReport
from rootstock.rows import tested_split
from rootstock.validation.great_expectations_suite import Schema, run_suites
from rootstock.validation.input_length import InputLength
from rootstock.validation.leakage import Leakage
from rootstock.validation.row_minimum import RowMinimum

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = ("id", "input", "label")


def validate(prepared: PreparedData, *, validation: ValidationParams, folder: Path) -> ValidationReport:
    """Run every check and the Great Expectations suite on the target and on each source; the checks' results come first.

    A source that fails is excluded, with its reasons; a target that fails gives ``passed=False``. Writes ``suites/DATASET.yaml``
    and ``data_docs/`` under ``folder``. Raises DataError for a rows file that is missing or lacks a column.
    """
    datasets = (prepared.target, *prepared.sources)
    frames = {dataset.name: read_rows(dataset) for dataset in datasets}
    schemas = [_schema(dataset, validation) for dataset in datasets]
    expected, docs = run_suites(schemas, frames, suites=folder / "suites", data_docs=folder / "data_docs")

    results: list[CheckResult] = []
    for dataset in datasets:
        for check in validation.checks:
            rows = frames[dataset.name]
            if isinstance(check, Leakage) and dataset is not prepared.target:
                rows = _beside_target_test(rows, frames[prepared.target.name], prepared.target)
            results.append(check.inspect(rows, dataset))
        results += [result for result in expected if result.dataset == dataset.name]
    return ValidationReport(
        passed=all(result.passed for result in results if result.dataset == prepared.target.name),
        results=tuple(results),
        excluded_sources={source.name: why for source in prepared.sources if (why := _failures(results, source, validation))},
        suites=Artifact.of(folder / "suites"),
        data_docs=docs,
    )


def read_rows(dataset: Dataset) -> pd.DataFrame:
    """All splits of a dataset in one frame: ``id``, ``input``, ``label``, ``split``, index 0 to n-1.

    Raises DataError for a missing or unreadable file, or a missing column.
    """
    import pandas as pd

    parts = []
    for split, file in sorted(dataset.splits.items()):
        path = Path(file.path)
        if not path.is_file():
            raise DataError(f"{path}: expected the {split} rows of {dataset.name}, found nothing; run the prepare stage again")
        try:
            rows = pd.read_parquet(path)
        except (ValueError, OSError) as error:
            raise DataError(f"{path}: expected a Parquet file with the {split} rows of {dataset.name}, found {error}") from error
        if missing := [column for column in COLUMNS if column not in rows]:
            raise DataError(
                f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(map(str, rows.columns)) or 'none'} "
                f"({', '.join(missing)} missing); run the prepare stage again"
            )
        parts.append(rows[list(COLUMNS)].assign(split=split))
    if not parts:
        raise DataError(f"dataset {dataset.name}: expected at least one split, found none; run the prepare stage again")
    return pd.concat(parts, ignore_index=True)


def _schema(dataset: Dataset, validation: ValidationParams) -> Schema:
    """The schema with the limits that the selected checks set."""
    length = next((check for check in validation.checks if isinstance(check, InputLength)), None)
    rows = next((check.rows for check in validation.checks if isinstance(check, RowMinimum)), 1)
    return Schema(
        dataset=dataset.name,
        modality=dataset.modality,
        labels=dataset.labels,
        splits=tuple(dataset.splits),
        fewest_rows=rows,
        characters=(length.min_characters, length.max_characters) if length else None,
        characters_share=round(1 - length.max_share, 12) if length else 1.0,
    )


def _beside_target_test(source_rows: pd.DataFrame, target_rows: pd.DataFrame, target: Dataset) -> pd.DataFrame:
    import pandas as pd

    is_tested = target_rows["split"] == tested_split(target)
    return pd.concat([source_rows, target_rows[is_tested].assign(split="test")], ignore_index=True)


def _failures(results: list[CheckResult], source: Dataset, validation: ValidationParams) -> str:
    """Why a dataset fails, in the words of our own checks if one of them says it: expectations only repeat their limits."""
    own = {check.name for check in validation.checks}
    failed = [result for result in results if result.dataset == source.name and not result.passed]
    told = [result for result in failed if result.check in own] or failed
    reasons = "; ".join(f"{result.check}: {result.reason}" for result in told)
    if not reasons or source.capped_from is None:
        return reasons
    return f"{reasons} (of its {source.capped_from:,} labelled rows data.source_rows lets {source.splits['train'].rows:,} in)"
