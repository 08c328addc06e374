"""Where nothing is held out: every row predicted by fits that did not see it, on the same folds for every model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.errors import DataError
from rootstock.finetuning.crossvalidate import Option
from rootstock.finetuning.finetune import finetune
from rootstock.finetuning.ladder import climb
from rootstock.finetuning.linear_probe import LinearProbe
from rootstock.finetuning.out_of_fold import FoldPlan, average_over_folds, measurable_start, nested_answers, plan_folds
from rootstock.finetuning.tune import tune
from rootstock.head import Head
from rootstock.paired import mcnemar_exact, pair_of
from rootstock.part import FineTuneMethod, Fitted, Rows, Start
from rootstock.records import Incumbent, PreparedData, Selection, TunedBackbone

NOBODY = Incumbent(version=None, model=None, run_key=None, earlier=())
LABELS = np.array([0, 1, 2] * 8)
NAMES = [f"row {n}" for n in range(24)]


class Recorder(FineTuneMethod):
    """Keeps which rows and seed each fit had, and says nothing of any use."""

    name: str = "recorder"
    setting_unit = "none"
    fits: list[tuple[frozenset[str], int]]

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        self.fits.append((frozenset(rows.inputs), seed))
        asked = len(heldout.labels) if heldout else 0
        return Fitted(Head(np.zeros((3, 2)), np.zeros(3)), None, {1.0: np.full((asked, 3), 1 / 3)}, (), 0)


def rows_of(features: np.ndarray, labels: np.ndarray) -> Rows:
    return Rows([f"row {n}" for n in range(len(labels))], labels, features)


def probe_of(rows: Rows, classes: int = 3) -> Option:
    return Option(LinearProbe(regularisations=(1.0,)), None, Start(lambda: None, classes, None), rows)  # type: ignore[arg-type, return-value]


def test_every_row_is_held_out_once_a_repeat_and_repeats_have_other_folds() -> None:
    plan = plan_folds(NAMES, LABELS, folds=4, repeats=3, seed=0)
    held = [[tuple(fold.tolist()) for _, fold in splits] for splits in plan.repeats]
    assert all(sorted(row for fold in folds for row in fold) == list(range(24)) for folds in held)
    assert len({tuple(sorted(folds)) for folds in held}) == 3
    for splits in plan.repeats:
        assert all(not set(train) & set(fold) and len(train) + len(fold) == 24 for train, fold in splits)
        assert all(np.bincount(LABELS[fold]).tolist() == [2, 2, 2] for _, fold in splits)


def test_the_same_seed_gives_the_same_folds() -> None:
    first, again = (plan_folds(NAMES, LABELS, folds=4, repeats=2, seed=5) for _ in range(2))
    for one, other in zip(first.repeats, again.repeats, strict=True):
        assert all((a[1] == b[1]).all() for a, b in zip(one, other, strict=True))


def test_rows_with_the_same_input_fall_on_one_side() -> None:
    names = [f"  ROW {n % 8} " if n >= 8 else f"row {n}" for n in range(16)]
    plan = plan_folds(names, np.array([0, 1] * 8), folds=4, repeats=4, seed=1)
    for splits in plan.repeats:
        for train, held in splits:
            assert not {row % 8 for row in train} & {row % 8 for row in held}


def test_a_class_of_two_inputs_is_an_error() -> None:
    with pytest.raises(DataError, match=r"at least 3 labelled rows with different inputs in each class .*, found a class with 2;"):
        plan_folds(["a", "b", "d", "c", "C", "e"], np.array([0, 0, 0, 1, 1, 1]), folds=2, repeats=1, seed=0)


@pytest.mark.parametrize(("folds", "inflation"), [(2, 3.0), (5, 2.25), (8, 1 + 8 / 7)])
def test_the_inflation_is_that_of_nadeau_and_bengio(folds: int, inflation: float) -> None:
    """(1/k + 1/(k-1)) / (1/k), by hand."""
    assert plan_folds(NAMES, LABELS, folds=folds, repeats=2, seed=0).variance_inflation == pytest.approx(inflation)


def test_with_fewer_rows_than_folds_the_inflation_is_that_of_the_folds_there_are() -> None:
    assert plan_folds(NAMES[:9], LABELS[:9], folds=5, repeats=1, seed=0).variance_inflation == 2.5


def test_nothing_that_answers_a_row_or_chooses_for_it_has_seen_it_and_no_two_fits_share_a_seed() -> None:
    recorder = Recorder(fits=[])
    plan = plan_folds(NAMES, LABELS, folds=4, repeats=2, seed=0)
    option = Option(recorder, None, Start(lambda: None, 3, None), rows_of(np.zeros((24, 2)), LABELS))  # type: ignore[arg-type, return-value]
    nested_answers({"model": [option], "control": [option]}, plan, folds=3, are_tempered=True)
    assert len(recorder.fits) == 2 * 4 * (3 + 1)
    assert len({seed for _, seed in recorder.fits}) == 2 * 4 * 3
    for place, (_, held) in enumerate(fold for splits in plan.repeats for fold in splits):
        seen = frozenset[str]().union(*(rows for rows, _ in recorder.fits[4 * place : 4 * place + 4]))
        assert seen == set(NAMES) - {NAMES[row] for row in held}


def test_answers_are_the_mean_of_the_repeats_and_rows_stay_as_many() -> None:
    random = np.random.default_rng(0)
    rows = rows_of(random.normal(size=(24, 4)) + LABELS[:, None], LABELS)
    plan = plan_folds(NAMES, LABELS, folds=4, repeats=2, seed=0)
    alone = [answers([probe_of(rows)], replace_repeats(plan, [repeat])) for repeat in (0, 1)]
    both = answers([probe_of(rows)], plan)
    assert both.shape == (24, 3)
    np.testing.assert_allclose(both, (alone[0] + alone[1]) / 2, atol=1e-12)
    np.testing.assert_allclose(both.sum(axis=1), 1)


def answers(options: list[Option], plan: FoldPlan) -> np.ndarray:
    return nested_answers({"model": options}, plan, folds=3, are_tempered=False)["model"]


def replace_repeats(plan: Any, repeats: list[int]) -> Any:
    from dataclasses import replace

    return replace(plan, repeats=tuple(plan.repeats[repeat] for repeat in repeats))


def test_choosing_among_many_options_on_noise_shows_no_gain() -> None:
    """300 answers; 3 standard errors are 8.7 points, what choosing on all rows at once shows is 12."""
    right = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        labels = random.permutation(np.arange(30) % 2)
        options = [probe_of(rows_of(random.normal(size=(30, 8)), labels), 2) for _ in range(8)]
        plan = plan_folds([str(n) for n in range(30)], labels, folds=3, repeats=1, seed=seed)
        right.append(float((answers(options, plan).argmax(axis=1) == labels).mean()))
    assert np.mean(right) < 0.587


def test_two_equally_good_learners_are_told_apart_no_more_often_than_alpha() -> None:
    """300 data sets of 30 rows. benchmarks/out_of_fold_error_rates.py has more."""
    claims = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        labels = np.arange(30) % 2
        plan = plan_folds([str(n) for n in range(30)], labels, folds=5, repeats=2, seed=seed)

        def right(features: np.ndarray, plan: Any = plan, labels: np.ndarray = labels) -> np.ndarray:
            def answer(train: np.ndarray, held: np.ndarray, seed: int) -> np.ndarray:
                centres = np.stack([features[train][labels[train] == c].mean(axis=0) for c in (0, 1)])
                near = -((features[held][:, None] - centres) ** 2).sum(axis=2)
                return np.exp(near - near.max(axis=1, keepdims=True))

            return average_over_folds(plan, answer, rows=30, classes=2).argmax(axis=1) == labels

        first, second = (right(random.normal(size=(30, 4)) + 0.5 * (2 * labels[:, None] - 1)) for _ in range(2))
        claims += mcnemar_exact(pair_of(first, second, inflation=plan.variance_inflation)) <= 0.05
    assert claims <= 15


@pytest.fixture(scope="module")
def out_of_fold_params(tiny_params):
    data = tiny_params.data.model_copy(update={"test_fraction": None})
    evaluation = tiny_params.evaluation.model_copy(update={"rows": "out_of_fold", "folds": 3, "repeats": 2, "bootstrap_draws": 100})
    return tiny_params.model_copy(update={"data": data, "evaluation": evaluation})


def all_learned_from(prepared: PreparedData) -> PreparedData:
    """The target with its rows in train alone."""
    target = prepared.target
    return prepared.model_copy(update={"target": target.model_copy(update={"splits": {"train": target.splits["train"]}})})


def sections(params, *names: str) -> dict[str, Any]:
    return {name: getattr(params, name) for name in ("data", "backbone", "finetuning", "seed", *names)} | {"workspace": "w"}


@pytest.fixture
def tuned(tiny_data, tiny_backbone, out_of_fold_params) -> TunedBackbone:
    selection = Selection(
        chosen="related", chosen_name="related", chosen_kind="domain", backbone=str(tiny_backbone), matched_labels={}, rounds=(),
        reason="", rows_trained=0, seconds=0.0,
    )  # fmt: skip
    return tune(tiny_data, selection, NOBODY, **sections(out_of_fold_params), folder=Path("tuned"))


def test_the_stages_measure_every_labelled_row_once(tiny_data, tuned, out_of_fold_params) -> None:
    prepared = all_learned_from(tiny_data)
    trained = finetune(prepared, tuned, **sections(out_of_fold_params), folder=Path("trained"))
    Path("ladder").mkdir()
    ladder = climb(prepared, tuned, trained, **sections(out_of_fold_params, "evaluation"), folder=Path("ladder"))
    assert ladder.rungs == ("majority", "surface_logistic", "from_scratch", "linear_probe", "no_transfer")
    assert ladder.variance_inflation == 2.5
    rows = pd.read_parquet(ladder.predictions.path)
    assert sorted(rows["id"]) == sorted(pd.read_parquet("target-train.parquet")["id"])
    for name in ("model", *ladder.rungs):
        said = rows[[f"{name}:{label}" for label in prepared.target.labels]]
        np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    assert rows[[f"majority:{label}" for label in prepared.target.labels]].to_numpy() == pytest.approx(1 / 3)


def test_a_start_that_has_learned_from_the_labelled_rows_is_left_out_and_named(tiny_data, tuned, out_of_fold_params) -> None:
    prepared = all_learned_from(tiny_data)
    assert measurable_start(prepared.target, tuned) == (tuned.model, "")
    first = finetune(prepared, tuned, **sections(out_of_fold_params), folder=Path("trained"))
    champion = tuned.model_copy(update={"source": "champion", "method": "none", "model": first.model})
    start, why = measurable_start(prepared.target, champion)
    assert start is None
    assert why == "champion is no start: it has learned from 18 of the 18 labelled rows, which models are measured on"
    assert measurable_start(tiny_data.target, champion) == (first.model, "")
    second = finetune(prepared, champion, **sections(out_of_fold_params), folder=Path("again"))
    assert second.source is None
    assert why in second.reason


def test_rows_of_one_group_fall_on_one_side_in_every_repeat() -> None:
    groups = np.arange(24) // 2
    names = ["the same words" if n in (3, 20) else name for n, name in enumerate(NAMES)]
    plan = plan_folds(names, LABELS, folds=4, repeats=3, seed=0, groups=groups)
    for splits in plan.repeats:
        assert sorted(row for _, held in splits for row in held) == list(range(24))
        for train, held in splits:
            assert not set(groups[train]) & set(groups[held])
            assert {3, 20} <= set(train) or {3, 20} <= set(held)


def test_a_class_of_two_groups_is_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match=r"each class in at least 3 groups .* found a class in 2; label rows of more groups"):
        plan_folds(NAMES[:8], np.arange(8) % 2, folds=2, repeats=1, seed=0, groups=np.array([0, 1, 0, 1, 2, 3, 4, 3]))
