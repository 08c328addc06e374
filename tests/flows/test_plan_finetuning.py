"""What a plan says of fine-tuning: a method by rule takes less, a search of learning rates takes more."""

from __future__ import annotations

import pytest
from rootstock.params import SearchParams
from rootstock_flows.plan import Step, with_search
from rootstock_flows.rates import TYPICAL, Measured, from_runs
from rootstock_flows.workload import Sizes, work_of

SIZES = Sizes(train=100, test=60, sources={"a": 1000}, classes=4)


def params_with(tiny_params, **finetuning):
    return tiny_params.model_copy(update={"finetuning": tiny_params.finetuning.model_copy(update=finetuning)})


def step(params, *, seconds_a_pass: float) -> Step:
    work = work_of(SIZES, params, candidates=3, tuned_rows=100, rounds=())["finetune"]
    seconds = TYPICAL["finetune"].fixed + work * seconds_a_pass
    return Step(stage="finetune", work=work, seconds=seconds, cached=False, basis="1 earlier run")


def search(minutes: float, trials: int) -> SearchParams:
    return SearchParams(minutes=minutes, trials=trials, factor=10.0)


def test_without_a_search_nothing_is_added(tiny_params):
    plain = step(tiny_params, seconds_a_pass=0.01)
    assert with_search(plain, SIZES, tiny_params) is plain


def test_a_search_takes_its_minutes_where_its_trials_would_take_longer(tiny_params):
    params = params_with(tiny_params, search=search(minutes=2, trials=1000))
    plain = step(params, seconds_a_pass=0.01)
    found = with_search(plain, SIZES, params)
    # The two folds and two epochs of the toy params, for the rates found and for those of the params.
    assert found.seconds == pytest.approx(plain.seconds + 120 + 2 * 2 * 2 * 100 * 0.01)
    assert found.basis == "1 earlier run; a search of at most 2 minutes"


def test_a_search_of_few_trials_takes_no_longer_than_they_do(tiny_params):
    params = params_with(tiny_params, search=search(minutes=600, trials=3))
    plain = step(params, seconds_a_pass=0.01)
    assert with_search(plain, SIZES, params).seconds == pytest.approx(plain.seconds + (3 + 2) * 2 * 2 * 100 * 0.01)


def test_seconds_follow_a_method_chosen_by_rule(tiny_params):
    measured = [Measured(work_of(SIZES, tiny_params, candidates=3, tuned_rows=100, rounds=())["finetune"], 60.0)]
    auto = params_with(tiny_params, choose="auto")
    few = Sizes(train=20, test=60, sources={"a": 1000}, classes=4)

    def seconds(sizes, params):
        return from_runs("finetune", work_of(sizes, params, candidates=3, tuned_rows=100, rounds=())["finetune"], measured)

    assert seconds(SIZES, auto) < seconds(SIZES, tiny_params)
    assert seconds(few, auto) < 0.5 * seconds(few, tiny_params)


def test_every_stage_of_the_main_job_has_its_work_and_what_it_typically_takes(tiny_params):
    from rootstock.stages import STAGES
    from rootstock_flows.plan import PARTS

    names = {part for stage in STAGES for part in PARTS.get(stage.name, (stage.name,))}
    assert names <= set(work_of(SIZES, tiny_params, candidates=3, tuned_rows=100, rounds=()))
    assert names <= set(TYPICAL)
