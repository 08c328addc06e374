"""One method by rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rootstock.errors import ParamsError
from rootstock.finetuning.choose_method import Circumstances, choose_method

MANY = Circumstances(rows=2000, classes=10, carried_loss=None, layers=6, forward_rows_per_second=100.0, budget_minutes=None)


@pytest.fixture
def methods(make_method):
    return (make_method["linear_probe"](), make_method["full"](), make_method["lora"](last_layers=2))


def name_of(methods, at):
    return choose_method(methods, at).method.name


def test_enough_rows_take_the_method_that_trains_the_fewest_layers(methods):
    chosen = choose_method(methods, MANY)
    assert chosen.method.name == "lora"
    assert "200 labelled rows a class" in chosen.reason
    assert "fewest layers, 2" in chosen.reason


def test_few_rows_a_class_take_a_probe(methods):
    assert name_of(methods, replace(MANY, rows=70)) == "linear_probe"
    assert name_of(methods, replace(MANY, rows=80)) == "lora"


def test_a_head_that_was_carried_over_and_answers_better_than_chance_takes_a_probe(methods):
    few = replace(MANY, rows=320)
    assert name_of(methods, replace(few, carried_loss=1.0)) == "linear_probe"
    assert name_of(methods, replace(few, carried_loss=2.4)) == "lora"  # chance is 2.30
    assert name_of(methods, replace(MANY, carried_loss=1.0)) == "lora"


def test_a_budget_that_training_would_break_takes_a_probe(methods):
    # 2,000 rows x 4 epochs x 3 passes x 2 of 6 layers at 100 rows a second are 80 seconds.
    assert name_of(methods, replace(MANY, budget_minutes=1.5)) == "lora"
    chosen = choose_method(methods, replace(MANY, budget_minutes=1.0))
    assert chosen.method.name == "linear_probe"
    assert "about 1.3 minutes of the budget of 1" in chosen.reason


def test_a_backbone_whose_layers_are_not_found_is_passed_through_whole(methods):
    unknown = replace(MANY, layers=0)
    # 2,000 rows x 4 epochs x 3 passes at 100 rows a second are 4 minutes.
    assert name_of(methods[:2], replace(unknown, budget_minutes=4.1)) == "full"
    assert "about 4.0 minutes of the budget of 3.9" in choose_method(methods[:2], replace(unknown, budget_minutes=3.9)).reason


def test_a_method_for_layers_that_are_not_found_is_left_out(methods, make_method):
    unknown = replace(MANY, layers=0)
    assert choose_method(methods[:2], unknown).reason == "full: 200 labelled rows a class are enough to train"
    by_layers = (
        methods[2], make_method["last_layers"](), make_method["gradual_unfreezing"](), make_method["full"](layer_decay=0.5)
    )  # fmt: skip
    chosen = choose_method((*by_layers, *methods[:2]), unknown)
    assert chosen.method == methods[1]
    assert chosen.reason.endswith("; the backbone shows no layers, too few for lora, last_layers, gradual_unfreezing, full")
    without = choose_method((*by_layers, methods[0]), unknown)
    assert without.method.name == "linear_probe"
    assert "shows no layers, too few for lora" in without.reason


def test_a_method_for_more_layers_than_the_backbone_has_is_left_out(methods, make_method):
    deep = make_method["last_layers"](layers=7)
    assert choose_method((*methods[:2], deep), MANY).reason.endswith(
        "fewest layers, 6; the backbone has 6 layers, too few for last_layers"
    )


def test_the_order_in_the_params_does_not_matter(methods):
    assert choose_method(methods[::-1], MANY) == choose_method(methods, MANY)


def test_a_probe_that_is_not_listed_is_asked_for(methods):
    with pytest.raises(ParamsError, match=r"expected linear_probe, which finetuning\.choose: auto takes here .* found full, lora"):
        choose_method(methods[1:], replace(MANY, rows=20))
