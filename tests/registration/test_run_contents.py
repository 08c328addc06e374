from __future__ import annotations

import json

import pytest
from rootstock.params import BackboneParams
from rootstock.records import Artifact, Curve, EvalReport, Measure, PreparedData, Scored, Selection
from rootstock.registration.run_contents import flat, lineage, metric_points, tag_text


def measure(value: float) -> Measure:
    return Measure(value=value, low=value - 0.1, high=value + 0.2, n=9, unit="share", higher_is_better=True)


def report() -> EvalReport:
    rung = Scored(name="tf-idf + ridge", measures={"accuracy": measure(0.5)}, note="")
    champion = Scored(name="champion", measures={"accuracy": measure(0.6)}, note="")
    return EvalReport(
        dataset="d", revision="d/v1", labels=("a", "b"), source=None, measures={"accuracy": measure(0.7)}, per_class={},
        baselines=(rung,), champion=champion, confusion=((1, 0), (0, 1)), champion_labels=("a", "b"),
            predictions=Artifact(path="p", sha256="0"), seconds=1.0,
    )  # fmt: skip


def test_sections_are_flattened_down_to_list_entries() -> None:
    nested = {"methods": [{"name": "lora", "rank": 8}, {"name": "probe"}], "folds": 4, "labels": None, "layers": ["query", "value"]}
    assert flat(
        {"seed": 0, "finetuning": nested, "backbone": BackboneParams(name="m", alternatives=("n",), pooling="cls", batch_rows=2)}
    ) == {
        "seed": "0",
        "finetuning.methods.0.name": "lora",
        "finetuning.methods.0.rank": "8",
        "finetuning.methods.1.name": "probe",
        "finetuning.folds": "4",
        "finetuning.labels": "null",
        "finetuning.layers": '["query", "value"]',
        "backbone.name": "m",
        "backbone.alternatives": '["n"]',
        "backbone.pooling": "cls",
        "backbone.batch_rows": "2",
    }


def test_every_measure_carries_both_ends_of_its_interval() -> None:
    points = {point.name: point.value for point in metric_points(report(), ())}
    assert (points["accuracy.low"], points["accuracy"], points["accuracy.high"]) == pytest.approx((0.6, 0.7, 0.9))
    assert points["champion.accuracy"] == pytest.approx(0.6)


def test_a_name_that_mlflow_would_refuse_is_rewritten() -> None:
    assert "baseline.tf-idf _ ridge.accuracy" in {point.name for point in metric_points(report(), ())}


@pytest.mark.parametrize(("x", "steps"), [((1.0, 2.0, 4.0), [1, 2, 4]), ((0.5, 1.0, 1.5), [0, 1, 2])])
def test_whole_epochs_are_steps_and_parts_of_epochs_are_counted(x: tuple[float, ...], steps: list[int]) -> None:
    curve = Curve(name="loss", unit="nats", x=x, y=(3.0, 2.0, 1.0))
    assert [point.step for point in metric_points(report(), (curve,)) if point.name == "curve.loss"] == steps


def test_lineage_tells_what_was_learned_from_and_what_was_only_considered(prepared: PreparedData, selection: Selection) -> None:
    lines = {line.name: line for line in lineage(prepared, selection, "registry")}
    assert {name: line.context for name, line in lines.items()} == {"tiny": "target", "films": "source", "tweets": "considered"}
    assert lines["tiny"].digest == prepared.target.revision.md5
    assert json.loads(lines["films"].source)["git_sha"] == "a" * 40


def test_lineage_names_every_source_that_was_learned_from_together(prepared: PreparedData, selection: Selection) -> None:
    together = selection.model_copy(update={"chosen": "tweets + films"})
    assert {line.name: line.context for line in lineage(prepared, together, "registry")} == {
        "tiny": "target", "films": "source", "tweets": "source",
    }  # fmt: skip


def test_a_long_reason_is_cut_and_marked() -> None:
    assert tag_text("x" * 9000).endswith("…")
    assert len(tag_text("x" * 9000)) == 4000
    assert tag_text(None) == "none"
