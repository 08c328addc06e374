"""The stage: target and sources are judged apart, and the evidence is on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rootstock.errors import DataError
from rootstock.params import ValidationParams
from rootstock.records import Contamination, Dataset, PreparedData, RowsFile, ValidationReport
from rootstock.validation.validate import read_rows, validate
from validation_rows import frame, texts

MakeDataset = Callable[..., Dataset]
PARAMS = ValidationParams.model_validate(
    {
        "checks": [
            {"name": "row_minimum", "rows": 10},
            {"name": "class_minimum", "rows": 2},
            {"name": "input_length", "min_characters": 3, "max_characters": 200, "max_share": 0.01},
            {"name": "leakage", "similarity": 0.9, "max_share": 0.02},
        ]
    }
)


def target_rows() -> pd.DataFrame:
    return frame(texts(40), ["bug", "wish"] * 20, split=["train"] * 20 + ["test"] * 20)


def source_rows(count: int = 30) -> pd.DataFrame:
    return frame(texts(count, start=500), ["good", "bad"] * (count // 2))


def prepare(*, target: Dataset, sources: tuple[Dataset, ...]) -> PreparedData:
    return PreparedData(target=target, sources=sources, unusable_sources={})


def run(prepared: PreparedData) -> ValidationReport:
    Path("validate").mkdir(exist_ok=True)
    return validate(prepared, validation=PARAMS, folder=Path("validate"))


def test_clean_data_passes_with_suites_and_data_docs_on_disk(make_dataset: MakeDataset) -> None:
    prepared = prepare(target=make_dataset(target_rows()), sources=(make_dataset(source_rows(), name="docs"),))
    report = run(prepared)
    assert report.passed
    assert report.excluded_sources == {}
    assert report.damage() == ()
    assert sorted(path.name for path in Path(report.suites.path).iterdir()) == ["bugs.yaml", "docs.yaml"]
    assert "bugs" in Path(report.data_docs).read_text()
    assert {result.dataset for result in report.results} == {"bugs", "docs"}


def test_a_target_with_rows_without_label_passes(make_dataset: MakeDataset) -> None:
    more = frame(texts(30, start=900), [""] * 30, split="unused")
    rows = pd.concat([target_rows(), more.assign(id=[f"u{row}" for row in range(30)])], ignore_index=True)
    target = make_dataset(rows)
    target = target.model_copy(update={"labels": ("bug", "wish")})
    checks = [*PARAMS.model_dump(mode="json")["checks"], {"name": "label_set", "min_classes": 2}]
    Path("validate").mkdir()
    report = validate(
        prepare(target=target, sources=()), validation=ValidationParams.model_validate({"checks": checks}), folder=Path("validate")
    )
    assert [result.reason for result in report.results if not result.passed] == []
    assert not any("condition" in result.reason for result in report.results)


def test_the_record_is_the_same_when_made_again(make_dataset: MakeDataset) -> None:
    prepared = prepare(target=make_dataset(target_rows()), sources=())
    assert run(prepared).sha256() == run(prepared).sha256()


def test_a_bad_source_is_excluded_with_its_reason_and_the_target_still_passes(make_dataset: MakeDataset) -> None:
    small = make_dataset(source_rows(4), name="small")
    report = run(prepare(target=make_dataset(target_rows()), sources=(small, make_dataset(source_rows(), name="docs"))))
    assert report.passed
    assert list(report.excluded_sources) == ["small"]
    assert report.excluded_sources["small"] == (
        "row_minimum: train has 4 rows; at least 10 were expected; "
        "add labelled rows, or lower 'rows' of row_minimum in validation.checks"
    )


def test_a_target_with_too_few_rows_is_refused_first_in_the_words_of_the_check(make_dataset: MakeDataset) -> None:
    rows = frame(texts(8), ["bug", "wish"] * 4, split=["train"] * 4 + ["test"] * 4)
    report = run(prepare(target=make_dataset(rows), sources=()))
    first, *others = (result for result in report.results if not result.passed)
    assert first.check == "row_minimum"
    assert first.reason == (
        "train has 4 rows, test has 4 rows; at least 10 were expected in each; "
        "add labelled rows, or lower 'rows' of row_minimum in validation.checks"
    )
    assert [result.check for result in others] == ["expect_table_row_count_to_be_between"]


def test_a_source_that_fails_an_expectation_alone_is_excluded_in_its_words(make_dataset: MakeDataset) -> None:
    rows = source_rows()
    rows.loc[3, "id"] = rows.loc[2, "id"]
    report = run(prepare(target=make_dataset(target_rows()), sources=(make_dataset(rows, name="docs"),)))
    assert report.excluded_sources["docs"].startswith("expect_column_values_to_be_unique(id)")


def test_a_clean_source_from_which_copies_were_dropped_passes_and_the_leakage_check_says_so(make_dataset: MakeDataset) -> None:
    dropped = Contamination(exact=3, near=2, rows=("x",))
    source = make_dataset(source_rows(), name="docs", contamination=dropped)
    report = run(prepare(target=make_dataset(target_rows()), sources=(source,)))
    assert report.excluded_sources == {}
    (leakage,) = (result for result in report.results if (result.dataset, result.check) == ("docs", "leakage"))
    assert leakage.reason.startswith("0 of 20 test rows are also training rows")
    assert leakage.reason.endswith("; 3 copies of test rows and 2 near copies were dropped when the data were prepared")


def test_a_source_that_was_cut_down_says_so_with_its_reason(make_dataset: MakeDataset) -> None:
    rows = source_rows()
    rows.loc[3, "id"] = rows.loc[2, "id"]
    source = make_dataset(rows, name="docs").model_copy(update={"capped_from": 5000})
    report = run(prepare(target=make_dataset(target_rows()), sources=(source,)))
    assert report.excluded_sources["docs"].endswith(f"(of its 5,000 labelled rows data.source_rows lets {len(rows)} in)")


def test_a_source_that_cannot_be_used_is_not_asked_about(make_dataset: MakeDataset) -> None:
    target = make_dataset(target_rows())
    report = run(PreparedData(target=target, sources=(), unusable_sources={"pictures": "holds images"}))
    assert report.passed
    assert {result.dataset for result in report.results} == {"bugs"}


def test_a_bad_target_does_not_pass(make_dataset: MakeDataset) -> None:
    rows = target_rows()
    rows.loc[0, "input"] = None
    report = run(prepare(target=make_dataset(rows), sources=()))
    assert not report.passed
    failed = [result for result in report.results if not result.passed]
    assert "expect_column_values_to_not_be_null(input)" in [result.check for result in failed]


def test_a_source_that_holds_the_targets_test_rows_is_excluded(make_dataset: MakeDataset) -> None:
    target, source = target_rows(), source_rows()
    source.loc[[0, 1], "input"] = target.loc[[30, 31], "input"].to_list()
    report = run(prepare(target=make_dataset(target), sources=(make_dataset(source, name="docs"),)))
    assert report.passed
    assert "leakage: 2 of 20 test rows are also training rows" in report.excluded_sources["docs"]


def test_a_missing_file_is_named(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(target_rows())
    Path("bugs-test.parquet").unlink()
    with pytest.raises(DataError, match=r"bugs-test\.parquet: expected the test rows of bugs, found nothing"):
        read_rows(dataset)


def test_a_file_that_is_no_parquet_is_named(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(target_rows())
    Path("bugs-test.parquet").write_text("id,input,label")
    with pytest.raises(DataError, match=r"bugs-test\.parquet: expected a Parquet file"):
        read_rows(dataset)


def test_a_missing_column_is_named(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(target_rows())
    path = Path("bugs-test.parquet")
    pd.read_parquet(path).drop(columns="label").to_parquet(path)
    with pytest.raises(DataError, match=r"\(label missing\)"):
        run(prepare(target=dataset, sources=()))


def test_rows_of_all_splits_come_back_with_their_split(make_dataset: MakeDataset) -> None:
    rows = read_rows(make_dataset(target_rows()))
    assert rows["split"].value_counts().to_dict() == {"test": 20, "train": 20}
    assert list(rows.index) == list(range(40))


def test_a_dataset_without_splits_is_wrong_input(make_dataset: MakeDataset) -> None:
    empty: dict[str, RowsFile] = {}
    with pytest.raises(DataError, match="at least one split"):
        read_rows(make_dataset(target_rows()).model_copy(update={"splits": empty}))
