"""How much a run has to do."""

from __future__ import annotations

import pytest
from rootstock.finetuning.label_spreading import LabelSpreading
from rootstock.params import DataParams, parse_params
from rootstock_flows.workload import (
    Forward,
    SearchPasses,
    Sizes,
    candidates_of,
    epochs_of,
    methods_of,
    rounds_at_most,
    rule_of,
    search_passes,
    sizes_from_cards,
    sizes_of,
    tuned_rows_at_most,
    work_of,
)  # fmt: skip


@pytest.fixture
def params(params_mapping):
    raw = params_mapping()
    raw["similarity"]["halving"] |= {"candidates": 4, "source_rows": 100}
    raw["finetuning"]["folds"] = 3
    return parse_params(raw, "params.yaml")


SIZES = Sizes(train=24, test=60, sources={"a": 1000, "b": 500}, classes=2)


def data(**changed: object) -> DataParams:
    values = {"labels": None, "labelled_rows_per_class": None, "test_fraction": 0.25, "test_rows": None, "source_rows": None}
    return DataParams.model_construct(**(values | changed))


CARD = {"class_counts": {"": {"x": 40, "y": 20, "": 100}}}


def test_rows_without_a_declared_test_are_held_out_by_class():
    assert sizes_from_cards(CARD, {}, data()) == Sizes(train=45, test=15, sources={}, classes=2, unlabelled=100)


def test_limits_of_the_params_hold():
    limited = data(labelled_rows_per_class=12, test_rows=10, source_rows=30, labels=("x",))
    assert sizes_from_cards(CARD, {"s": CARD, "t": {"class_counts": {"": {"z": 7}}}}, limited) == Sizes(
        12, 10, {"s": 30, "t": 7}, 1, unlabelled=40 + 100 - 12 - 10
    )


def test_a_declared_test_is_taken_as_it_is():
    card = {"class_counts": {"train": {"x": 8, "y": 9}, "test": {"x": 3, "y": 4}, "unused": {"x": 90}}}
    assert sizes_from_cards(card, {}, data()) == Sizes(train=17, test=7, sources={}, classes=2, unlabelled=90)


def test_scoring_reads_no_more_labelled_rows_than_the_params_say(params):
    def scored(train: int, classes: int) -> int:
        return work_of(Sizes(train, 60, {"a": 1000}, classes), params, candidates=5, tuned_rows=100, rounds=())["score"] - 1000

    most = params.similarity.labelled_rows
    assert scored(24, 2) == 5 * 24
    assert scored(10 * most, 2) == 5 * most
    assert scored(10 * most, most) == 5 * 2 * most


def test_the_cards_tell_what_prepare_then_cuts(tiny_data, tiny_params):
    import pandas as pd
    from rootstock.data.card import make_card

    def card(frames):
        return make_card(pd.concat(frames), modality="text", origin="test")

    target = card([pd.read_parquet(f"target-{split}.parquet").assign(split=split) for split in ("train", "test")])
    sources = {name: card([pd.read_parquet(f"{name}-train.parquet").assign(split="")]) for name in ("related", "unrelated")}
    assert sizes_from_cards(target, sources, tiny_params.data) == sizes_of(tiny_data)


def test_rounds_of_trying_halve_candidates_and_double_rows(params):
    assert rounds_at_most(Sizes(24, 60, dict.fromkeys("abcde", 1000), 2), params) == ((6, 100), (4, 200)), (
        "of the four one is three sources"
    )
    assert rounds_at_most(SIZES, params) == ((4, 100), (3, 200)), "two sources, and both together"


def test_the_largest_sources_may_be_learned_from_together(params):
    assert tuned_rows_at_most(Sizes(24, 60, {"a": 10, "b": 30, "c": 20, "d": 40}, 2), params) == 90
    assert tuned_rows_at_most(SIZES, params) == 1500
    none = params.model_copy(update={"similarity": params.similarity.model_copy(update={"joined_sources": 0})})
    assert tuned_rows_at_most(SIZES, none) == 1000
    assert tuned_rows_at_most(Sizes(24, 60, {}, 2), params) == 0


def test_nothing_is_tried_of_fewer_than_two(params):
    assert rounds_at_most(Sizes(24, 60, {"a": 1000}, 2), params) == ()
    none = params.similarity.halving.model_copy(update={"candidates": 0})
    off = params.model_copy(update={"similarity": params.similarity.model_copy(update={"halving": none})})
    assert rounds_at_most(SIZES, off) == ()


def test_embedding_grows_with_backbones_and_not_with_candidates(params):
    two = params.model_copy(update={"backbone": params.backbone.model_copy(update={"alternatives": ("other",)})})
    few, many = (work_of(SIZES, params, candidates=count, tuned_rows=0, rounds=())["embed"] for count in (3, 200))
    assert few == many == 24 + 1500
    assert work_of(SIZES, two, candidates=3, tuned_rows=0, rounds=())["embed"] == 2 * few


def test_row_passes_by_hand(params):
    work = work_of(SIZES, params, candidates=5, tuned_rows=1000, rounds=((2, 100),))
    epochs = {"source": 2, "halving": 2, "methods": 1 + 6, "scratch": 10}
    assert work["prepare"] == 24 + 60 + 1500
    assert work["tune"] == epochs["source"] * 1000
    assert work["select"] == epochs["halving"] * 200
    assert work["finetune"] == 24 * (2 * 3 * epochs["methods"] + 6)
    assert work["ladder"] == 24 * (epochs["scratch"] + (3 + 1) * 6) + 60


def test_candidates_are_the_product_of_backbones_and_sources_with_versions_and_controls(params):
    assert candidates_of(SIZES, params, versions=2) == 1 + 2 + 1 + 2


def changed(params, **finetuning):
    return params.model_copy(update={"finetuning": params.finetuning.model_copy(update=finetuning)})


def finetuning_work(sizes, params):
    work = work_of(sizes, params, candidates=5, tuned_rows=1000, rounds=())
    return work["finetune"], work["ladder"]


def test_a_rule_compares_one_method_instead_of_all(params):
    auto, many = changed(params, choose="auto"), Sizes(24, 60, {"a": 1000}, 2)
    assert [method.name for method in methods_of(many, params)] == ["linear_probe", "lora"]
    assert [method.name for method in methods_of(many, auto)] == ["lora"]
    assert finetuning_work(many, auto) == (24 * (2 * 3 * 6 + 6), 24 * (10 + (3 + 1) * 6) + 60)
    assert finetuning_work(many, auto)[0] < finetuning_work(many, params)[0]


def test_a_rule_takes_a_probe_for_few_rows_a_class_and_that_is_all_the_work(params):
    few = Sizes(24, 60, {"a": 1000}, 8)
    auto = changed(params, choose="auto")
    assert [method.name for method in methods_of(few, auto)] == ["linear_probe"]
    assert finetuning_work(few, auto) == (24 * (2 * 3 + 1), 24 * (10 + (3 + 1)) + 60)


def test_a_rule_takes_a_probe_where_training_would_take_longer_than_the_budget(params):
    """6 epochs of 24 rows through 3 of 6 layers, forward and back: as much as 216 passes forward."""
    auto, many = changed(params, choose="auto", budget_minutes=1.0), Sizes(24, 60, {"a": 1000}, 2)
    fast, slow = (Forward(layers=6, rows_per_second=rate) for rate in (10.0, 3.0))
    assert [method.name for method in methods_of(many, auto, forward=fast)] == ["lora"]
    assert [method.name for method in methods_of(many, auto, forward=slow)] == ["linear_probe"]
    assert "lora would take about 1.2 minutes of the budget of 1" in rule_of(many, auto, forward=slow).reason
    assert [method.name for method in methods_of(many, auto)] == ["lora"]
    assert rule_of(many, changed(params, budget_minutes=1.0), forward=slow) is None


def test_every_perturbation_is_a_pass_over_the_test_rows_and_reloading_is_its_own(params):
    asked = params.evaluation.perturbations
    work, none, unloaded = (
        work_of(SIZES, params.model_copy(update={"evaluation": params.evaluation.model_copy(update=update)}),
                candidates=5, tuned_rows=0, rounds=())
        for update in ({}, {"perturbations": ()}, {"reload": False})
    )  # fmt: skip
    assert asked
    assert work["measure"] - none["measure"] == len(asked) * 60
    assert (work["reload"], unloaded["reload"]) == (60 + 60 + 3, 0)
    assert work["measure"] == unloaded["measure"]


def test_a_champion_is_a_pass_over_the_test_rows_where_there_is_one(params):
    alone, beside = (
        work_of(SIZES, params, candidates=5, tuned_rows=0, rounds=(), has_champion=has)["measure"] for has in (False, True)
    )
    assert (alone, beside - alone) == ((1 + len(params.evaluation.perturbations)) * 60, 60)


def spreading(first) -> LabelSpreading:
    return LabelSpreading(neighbours=(5,), alpha=0.9, class_shares="free", regularisation=1.0, unlabelled_rows=90, after=first)


def test_a_method_that_first_trains_another_makes_the_passes_of_that(params):
    assert (epochs_of(spreading(params.finetuning.methods[1])), epochs_of(spreading(None))) == (6, 1)


def test_rows_without_label_are_read_from_both_starts_and_again_after_each_training(params):
    def work(first, unlabelled):
        sizes = Sizes(24, 60, {"a": 1000}, 2, unlabelled)
        return finetuning_work(sizes, changed(params, methods=(spreading(first),)))[0]

    lora = params.finetuning.methods[1]
    assert work(None, 500) - work(None, 0) == 2 * 90
    assert work(None, 40) - work(None, 0) == 2 * 40
    assert work(lora, 500) - work(lora, 0) == (2 * (1 + 3) + 1) * 90


def test_a_search_is_trials_on_all_folds_and_a_comparison_afterwards(params):
    search = {"minutes": 5, "trials": 20, "factor": 10}
    found = search_passes(SIZES, changed(params, search=type_of_search(search)))
    assert found == SearchPasses(trials=20 * 3 * 6 * 24, afterwards=2 * 3 * 6 * 24)


def test_nothing_is_searched_without_a_search_or_without_learning_rates(params):
    search = type_of_search({"minutes": 5, "trials": 20, "factor": 10})
    assert search_passes(SIZES, params) is None
    assert search_passes(Sizes(24, 60, {"a": 1000}, 8), changed(params, search=search, choose="auto")) is None


def type_of_search(values):
    from rootstock.params import SearchParams

    return SearchParams(**values)
