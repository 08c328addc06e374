"""Great Expectations: a suite from a dataset's schema, versioned as YAML, run on an ephemeral context, shown in Data Docs.

The only file that imports it. Data Docs load fonts and scripts from the network when opened: they are for the team's own viewing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rootstock.errors import DataError
from rootstock.files import new_folder, write_text
from rootstock.records import CheckResult
from rootstock.validation.result import NAMED_ROWS

if TYPE_CHECKING:
    import pandas as pd

SUITE_HEADER = "# Great Expectations suite, made from the dataset's schema and the limits in params.yaml.\n"
DOCS_SITE = "rootstock"
#: Parameters of an expectation that say where it looks, and for which names, not how much it allows.
NO_LIMITS = ("column", "batch_id", "value_set", "row_condition")


@dataclass(frozen=True)
class Schema:
    """What a dataset's rows must look like; a limit that is None is not checked."""

    dataset: str
    modality: str
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    fewest_rows: int
    characters: tuple[int, int] | None
    """fewest and most in a text"""
    characters_share: float
    """share of the texts that must keep within"""


def expectations(schema: Schema) -> list[dict[str, Any]]:
    """The suite's expectations as plain mappings (``type``, ``kwargs``), in a fixed order."""
    found: list[dict[str, Any]] = [
        _expectation("expect_table_row_count_to_be_between", min_value=schema.fewest_rows),
        *(_expectation("expect_column_values_to_not_be_null", column=column) for column in ("id", "input", "label", "split")),
        _expectation("expect_column_values_to_be_unique", column="id"),
        _expectation("expect_column_values_to_be_in_set", column="label", value_set=sorted(schema.labels), **_labelled(schema)),
        _expectation("expect_column_values_to_be_in_set", column="split", value_set=sorted(schema.splits)),
        # pandas 3 stores text as `str`; `object` is what a column of bytes, or of mixed types, is.
        _expectation("expect_column_values_to_be_of_type", column="input", type_="str" if schema.modality == "text" else "bytes"),
    ]
    if schema.modality == "text" and schema.characters is not None:
        fewest, most = schema.characters
        limits = {"min_value": fewest, "max_value": most, "mostly": schema.characters_share}
        found.append(_expectation("expect_column_value_lengths_to_be_between", column="input", **limits))
    return found


def _labelled(schema: Schema) -> dict[str, Any]:
    """Leaves out rows that need no label, where there can be such."""
    if "unused" not in schema.splits:
        return {}
    needed = [
        {"type": "comparison", "column": {"name": column}, "operator": "!=", "parameter": value}
        for column, value in (("split", "unused"), ("label", ""))
    ]
    return {"row_condition": {"type": "or", "conditions": needed}}


def suite_yaml(schema: Schema) -> str:
    """The suite as YAML: the same schema gives the same bytes, and a changed limit one changed line."""
    suite = {"name": schema.dataset, "expectations": expectations(schema)}
    return SUITE_HEADER + yaml.safe_dump(suite, sort_keys=True, allow_unicode=True, default_flow_style=False)


def run_suites(
    schemas: Sequence[Schema], frames: Mapping[str, pd.DataFrame], *, suites: Path, data_docs: Path
) -> tuple[tuple[CheckResult, ...], str]:
    """Run one suite a dataset; returns every expectation's result and the path of the Data Docs' first page.

    ``frames`` holds each dataset's rows with the columns ``id``, ``input``, ``label``, ``split`` and a unique index. Writes
    ``suites/DATASET.yaml`` and the pages under ``data_docs``. Raises DataError where an expectation could not be run, which
    means that a column is missing.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    # This module raises its own logger to INFO and announces a temporary folder.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    results: list[CheckResult] = []
    with new_folder(data_docs) as pages, new_folder(suites) as files:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
        for site in list(context.variables.data_docs_sites or {}):
            context.delete_data_docs_site(site)
        context.add_data_docs_site(DOCS_SITE, _docs_site(pages))  # type: ignore[arg-type]
        source = context.data_sources.add_pandas("rootstock")
        for schema in schemas:
            suite = context.suites.add(_suite(schema))
            whole = source.add_dataframe_asset(schema.dataset).add_batch_definition_whole_dataframe("all rows")
            definition = gx.ValidationDefinition(name=schema.dataset, data=whole, suite=suite)
            frame = frames[schema.dataset]
            outcome = context.validation_definitions.add(definition).run(
                batch_parameters={"dataframe": _shown(frame, schema)}, result_format={"result_format": "COMPLETE"}
            )
            results.extend(_results(outcome.results, frame, schema.dataset))
            write_text(files / f"{schema.dataset}.yaml", suite_yaml(schema))
        context.build_data_docs()
    return tuple(results), (data_docs / "index.html").as_posix()


def _expectation(expectation: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": expectation, "kwargs": kwargs}


def _suite(schema: Schema) -> Any:
    from great_expectations.core.expectation_suite import ExpectationSuite

    wanted = expectations(schema)
    suite = ExpectationSuite(name=schema.dataset, expectations=wanted)
    # An expectation that is not registered is dropped with only a log line.
    if len(suite.expectations) != len(wanted):
        raise RuntimeError(f"suite {schema.dataset}: {len(wanted)} expectations asked for, {len(suite.expectations)} accepted")
    return suite


def _docs_site(pages: Path) -> dict[str, Any]:
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(pages.resolve())}
    return {"class_name": "SiteBuilder", "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"}, "store_backend": store}


def _shown(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The rows as the tool sees them: image bytes cut short, because Data Docs print the values of failing rows."""
    if schema.modality == "text" or "input" not in frame:
        return frame
    return frame.assign(input=[value[:16] if isinstance(value, bytes) else value for value in frame["input"]])


def _results(outcomes: Sequence[Any], frame: pd.DataFrame, dataset: str) -> list[CheckResult]:
    found = [_result(outcome, frame, dataset) for outcome in outcomes]
    return sorted(found, key=lambda result: result.check)


def _result(outcome: Any, frame: pd.DataFrame, dataset: str) -> CheckResult:
    config = outcome.expectation_config
    column = config.kwargs.get("column")
    check = f"{config.type}({column})" if column else str(config.type)
    if problem := _exception(outcome.exception_info):
        raise DataError(
            f"dataset {dataset}: {check} could not be run: {problem}; expected the columns id, input, label, split, "
            f"found {', '.join(map(str, frame.columns))}"
        )
    index = outcome.result.get("unexpected_index_list") or []
    count = int(outcome.result.get("unexpected_count", 0))
    return CheckResult(
        check=check,
        dataset=dataset,
        passed=bool(outcome.success),
        failing=count,
        rows=len(frame),
        failing_rows=tuple(str(row) for row in frame.loc[index[:NAMED_ROWS], "id"]),
        reason=_reason(config, outcome.result, count, len(frame)),
    )


def _reason(config: Any, result: Mapping[str, Any], count: int, rows: int) -> str:
    limits = {key: value for key, value in config.kwargs.items() if key not in NO_LIMITS}
    asked = ", ".join(f"{key} {value}" for key, value in sorted(limits.items()))
    if "observed_value" in result:
        return f"observed {result['observed_value']} (expected {asked})"
    return f"{count} of {rows} rows are not as expected" + (f" ({asked})" if asked else "")


def _exception(info: Mapping[str, Any]) -> str | None:
    """The message of an expectation that raised: the mapping is either that of one exception or one of those for each metric."""
    if info.get("raised_exception"):
        return str(info.get("exception_message"))
    nested = (inner for inner in info.values() if isinstance(inner, Mapping))
    return next((str(inner.get("exception_message")) for inner in nested if inner.get("raised_exception")), None)
