"""The stage select on tiny data: what is tried, what is selected, and that a run that was killed goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rootstock.files import sha256_of
from rootstock.finetuning import select as stage
from rootstock.finetuning.halving import Trial
from rootstock.finetuning.lora import Lora
from rootstock.finetuning.select import select
from rootstock.finetuning.trial import stratified_order
from rootstock.records import Candidate, HalvingScore, Measure, SourceRanking
from rootstock.rows import bare_encoder, feature_folder

SAME = {"boats": "boats", "bread": "bread", "stars": "stars"}


@pytest.fixture(scope="module")
def candidate(tiny_backbone):
    def make(name, *, source=None, kind="domain", excluded=None, backbone=str(tiny_backbone), matched=None):
        return Candidate(
            name=name, source=source or name, backbone=backbone, kind=kind, scores={}, evidence={}, predicted_gain=None, risk=None,
            prior=None, matched_labels=matched or {}, rows=18, notes=(), excluded=excluded,
        )  # fmt: skip

    return make


def gain_of(value):
    return Measure(value=value, low=value - 0.2, high=value + 0.2, n=20, unit="accuracy", higher_is_better=True)


@pytest.fixture(scope="module")
def ranking(tiny_backbone):
    def make(*candidates, chosen=0, apart=0.1):
        """The first is predicted to gain as much more than the second as this than the third."""
        first = candidates[chosen] if chosen is not None else None
        gains = [0.3 - apart * place for place in range(len(candidates))]
        predicted = tuple(
            each.model_copy(update={"predicted_gain": gain_of(gain)}) for each, gain in zip(candidates, gains, strict=True)
        )
        return SourceRanking(
            candidates=predicted, chosen=first and first.source, chosen_name=first and first.name,
            chosen_kind=first.kind if first else "backbone", backbone=first.backbone if first else str(tiny_backbone),
            reason="as ranked", rows=18, past_outcomes=0, own_outcomes=0, projection={}, seconds=0.0,
        )  # fmt: skip

    return make


@pytest.fixture
def related(candidate):
    return candidate("related", matched=SAME)


@pytest.fixture
def unrelated(candidate):
    return candidate("unrelated")


@pytest.fixture(scope="module")
def features(tiny_params, write_tiny_data, tmp_path_factory) -> Path:
    """A folder with the features of the tiny data under the tiny backbone, as every run keeps them; to be copied."""
    folder = tmp_path_factory.mktemp("features")
    encoder = bare_encoder(
        tiny_params.backbone.name, tiny_params.data.modality, pooling=tiny_params.backbone.pooling, batch_rows=16,
        cache_folder=folder / "features",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepared = write_tiny_data()
        for dataset in (prepared.target, *prepared.sources):
            encoder.rows(dataset, "train")
    return folder / "features"


@pytest.fixture
def selected(tiny_data, tiny_params, features):
    shutil.copytree(features, feature_folder("w"))

    def run(ranking, *, prepared=tiny_data, **changes):
        halving = tiny_params.similarity.halving.model_copy(update=changes)
        similarity = tiny_params.similarity.model_copy(update={"halving": halving})
        sections = {name: getattr(tiny_params, name) for name in ("data", "backbone", "seed")}
        return select(prepared, ranking, **sections, similarity=similarity, workspace="w", folder=Path("selected"))

    return run


@pytest.fixture
def tunings(monkeypatch):
    """How many rows each tuning was given."""
    given = []
    fit = Lora.fit

    def counted(self, start, rows, **settings):
        given.append(len(rows.labels))
        return fit(self, start, rows, **settings)

    monkeypatch.setattr(Lora, "fit", counted)
    return given


def test_the_source_that_teaches_the_targets_topics_wins_though_it_was_ranked_second(selected, ranking, related, unrelated):
    found = selected(ranking(unrelated, related), alpha=0.9)
    assert (found.chosen, found.chosen_name, found.chosen_kind, found.matched_labels) == ("related", "related", "domain", SAME)
    assert {score.name for score in found.rounds[0]} == {"related", "unrelated"}
    assert found.rounds[-1][0].kept
    assert found.rows_trained > 0
    assert "of 2 sources tried, related is clearly ahead of unrelated" in found.reason
    assert "by cross-validation on 18 labelled rows" in found.reason
    assert not Path("selected").exists()


def test_a_winner_that_is_not_clearly_ahead_does_not_overrule_the_ranking(selected, ranking, related, unrelated):
    found = selected(ranking(unrelated, related), alpha=1e-6)
    assert found.rounds[-1][0].name == "related"
    assert (found.chosen, found.matched_labels) == ("unrelated", {})
    assert "of 2 sources tried none is clearly ahead, so unrelated, the first of the ranking, stands" in found.reason
    assert ", beside related (" in found.reason


@pytest.fixture
def tied(monkeypatch):
    """Trials made up: the first is clearly beaten at once, the two others tie, and each is right on so many of 40 rows."""

    def make(*, first: int, others: int, control: int, clearly: bool = True) -> None:
        def trial(loss, right, *, rows=0):
            return Trial(source_rows=rows, row_passes=rows, losses=tuple(loss), correct=(True,) * right + (False,) * (40 - right))

        def attempt(course, candidate, source, *, encoder, rows):
            if candidate.name == "first":
                losses = np.full(40, 2.0) if clearly else np.where(np.arange(40) == 0, 8.0, 0.15)  # one row alone is against it
                return trial(losses, first, rows=rows)
            noise = np.random.default_rng(len(candidate.name)).normal(scale=0.05, size=40)
            return trial(0.15 + noise, others, rows=rows)

        monkeypatch.setattr(stage, "try_no_transfer", lambda course, encoder: trial(np.full(40, 0.7), control))
        monkeypatch.setattr(stage, "try_candidate", attempt)

    return make


def test_the_first_of_the_ranking_does_not_stand_where_it_was_clearly_beaten(selected, ranking, candidate, tied):
    tied(first=4, others=38, control=20)
    found = selected(ranking(*(candidate(name, source="related") for name in ("first", "second", "the third"))))
    assert [{score.name: score.beaten for score in scores}.get("first") for scores in found.rounds] == [True, None]
    assert found.chosen_name == "second"
    assert "none is clearly ahead, so second, the first of the ranking that was not clearly beaten, stands" in found.reason
    assert "beside the third (" in found.reason


def test_the_first_of_the_ranking_that_left_early_without_being_clearly_beaten_stands_and_says_so(
    selected, ranking, candidate, tied
):
    tied(first=38, others=38, control=20, clearly=False)
    found = selected(ranking(*(candidate(name, source="related") for name in ("first", "second", "the third"))))
    assert "first" not in {score.name for score in found.rounds[-1]}
    assert found.chosen_name == "first"
    assert "so first, the first of the ranking, stands" in found.reason
    assert "where it was not clearly beaten, though others went on: " in found.reason
    assert all(f"{name} (" in found.reason for name in ("second", "the third"))


def test_where_all_are_predicted_to_gain_the_same_the_trial_decides(selected, ranking, candidate, tied):
    tied(first=30, others=38, control=20, clearly=False)
    found = selected(ranking(*(candidate(name, source="related") for name in ("first", "second", "the third")), apart=0.0))
    assert found.chosen_name in ("second", "the third")
    assert f"none is clearly ahead, so {found.chosen_name}, the best by prediction and trial together, stands" in found.reason


def test_the_first_that_was_not_beaten_is_what_no_transfer_is_held_against(selected, ranking, candidate, tied):
    tied(first=40, others=4, control=38)
    found = selected(ranking(*(candidate(name, source="related") for name in ("first", "second", "the third"))))
    assert found.chosen is None
    assert "second, the first of the ranking that was not clearly beaten, of 3 tried, reaches an accuracy of 0.100" in found.reason


def test_a_score_recorded_before_it_was_kept_who_was_beaten_is_read(selected, ranking, related, unrelated):
    score = selected(ranking(unrelated, related)).rounds[0][0]
    assert HalvingScore.model_validate(score.model_dump(exclude={"beaten"})).beaten is False


def test_the_record_is_the_same_again_and_the_inputs_are_unchanged(selected, ranking, related, unrelated):
    ranked = ranking(unrelated, related)
    before = (ranked.sha256(), sha256_of(Path("related-train.parquet")))
    first = selected(ranked)
    for path in Path("w/halving").iterdir():
        path.unlink()
    assert selected(ranked).sha256() == first.sha256()
    assert (ranked.sha256(), sha256_of(Path("related-train.parquet"))) == before


def test_what_was_tried_is_not_tried_again_and_counts_as_spent(selected, ranking, related, unrelated, tunings):
    first = selected(ranking(unrelated, related))
    assert len(tunings) == sum(len(scores) for scores in first.rounds) > 0
    del tunings[:]
    assert selected(ranking(unrelated, related)).sha256() == first.sha256()
    assert tunings == []


def test_a_run_that_was_killed_goes_on_with_the_next_trial(selected, ranking, related, unrelated, tunings):
    first = selected(ranking(unrelated, related))
    kept = sorted(Path("w/halving").glob("*.json"))
    kept[0].unlink()
    kept[1].write_text("{half", encoding="utf-8")
    del tunings[:]
    assert selected(ranking(unrelated, related)).sha256() == first.sha256()
    assert len(tunings) == 2


def test_other_labels_rows_or_source_content_are_tried_anew(selected, ranking, related, unrelated, tunings):
    selected(ranking(unrelated, related))
    del tunings[:]
    selected(ranking(unrelated, related.model_copy(update={"matched_labels": {}})))
    assert tunings
    del tunings[:]
    selected(ranking(unrelated, related), source_rows=20)
    assert 20 in tunings


def test_test_rows_are_not_read(selected, ranking, related, unrelated):
    Path("target-test.parquet").unlink()
    assert selected(ranking(unrelated, related), alpha=0.9).chosen == "related"


@pytest.mark.parametrize("candidates", [0, 1])
def test_with_fewer_than_two_to_try_the_ranking_stands(selected, ranking, related, unrelated, tunings, candidates):
    found = selected(ranking(related, unrelated), candidates=candidates)
    assert (found.chosen, found.rounds, found.rows_trained, found.reason) == ("related", (), 0, "as ranked")
    assert found.matched_labels == SAME
    assert tunings == []


def test_one_that_was_excluded_does_not_enter(selected, ranking, related, candidate, tunings):
    found = selected(ranking(related, candidate("unrelated", excluded="it has one class")))
    assert (found.chosen, found.rounds) == ("related", ())
    assert tunings == []


def test_only_as_many_enter_as_the_params_say(selected, ranking, related, unrelated, candidate):
    again = candidate("related again", source="related", matched=SAME)
    assert {score.name for score in selected(ranking(unrelated, related, again), candidates=2).rounds[0]} == {
        "unrelated",
        "related",
    }


def test_where_the_advisor_abstained_nothing_is_tried(selected, ranking, related, unrelated, tunings):
    found = selected(ranking(related, unrelated, chosen=None))
    assert (found.chosen, found.chosen_kind, found.rounds) == (None, "backbone", ())
    assert tunings == []


@pytest.mark.parametrize(("name", "kind"), [("champion", "champion"), ("version 2", "version"), ("backbone alone", "backbone")])
def test_a_choice_that_is_no_domain_stands_untried(selected, ranking, related, unrelated, candidate, tunings, name, kind):
    found = selected(ranking(candidate(name, kind=kind, backbone="elsewhere"), related, unrelated))
    assert (found.chosen, found.chosen_name, found.chosen_kind, found.backbone) == (name, name, kind, "elsewhere")
    assert tunings == []


def test_each_candidate_is_tuned_on_its_own_backbone(selected, ranking, related, candidate, tiny_backbone, tmp_path):
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(tiny_backbone, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    blurred = {name: weight * 0.0 if "word_embeddings" in name else weight for name, weight in weights.items()}
    save_file(blurred, other / "model.safetensors", metadata={"format": "pt"})
    on_other = candidate("related on other", source="related", backbone=str(other), matched=SAME)
    found = selected(ranking(on_other, related))
    assert (found.chosen, found.backbone) == ("related", str(tiny_backbone))
    assert found.rounds[0][0].log_loss < found.rounds[0][1].log_loss


def test_no_source_is_selected_where_the_best_is_surely_worse_than_none(
    selected, ranking, related, unrelated, monkeypatch, tiny_backbone
):
    n = 40
    control = Trial(source_rows=0, row_passes=0, losses=(0.2,) * n, correct=(True,) * n)

    def harmful(course, candidate, source, *, encoder, rows):
        loss = 1.0 if candidate.name == "related" else 1.1
        return Trial(source_rows=rows, row_passes=rows, losses=(loss,) * n, correct=(True,) * 20 + (False,) * 20)

    monkeypatch.setattr(stage, "try_no_transfer", lambda course, encoder: control)
    monkeypatch.setattr(stage, "try_candidate", harmful)
    found = selected(ranking(related, unrelated))
    assert (found.chosen, found.chosen_name, found.chosen_kind, found.matched_labels) == (None, None, "backbone", {})
    assert found.backbone == related.backbone
    assert found.rounds[-1][0].gain.high < 0
    assert found.reason.startswith("no source helps: train on the target alone; related, the best of 2 tried")
    assert "0.500 against 1.000 without transfer, -50.0 points" in found.reason


def test_labels_that_match_in_meaning_draw_the_head_to_what_the_source_taught(selected, ranking, related, unrelated, tiny_data):
    """Few labelled rows, so that what the source taught of the classes is worth more than they are."""
    path = Path("few.parquet")
    frame = pd.read_parquet("target-train.parquet")
    frame.groupby("label").head(2).to_parquet(path, index=False)
    file = tiny_data.target.splits["train"].model_copy(update={"path": path.as_posix(), "sha256": sha256_of(path), "rows": 6})
    target = tiny_data.target.model_copy(update={"splits": tiny_data.target.splits | {"train": file}})
    few = tiny_data.model_copy(update={"target": target})
    swapped = {"boats": "bread", "bread": "stars", "stars": "boats"}
    wrong = related.model_copy(update={"name": "swapped", "matched_labels": swapped})
    found = selected(ranking(wrong, related), prepared=few)
    assert found.chosen_name == "related"
    assert found.rounds[0][0].accuracy.n == 6


def test_sources_together_are_tried_on_rows_of_all(selected, ranking, candidate, related, tunings):
    together = candidate("related + unrelated", matched=SAME)
    found = selected(ranking(together, related), source_rows=40)
    assert {score.name: score.source_rows for score in found.rounds[0]} == {"related + unrelated": 80, "related": 40}
    assert set(tunings) <= {40, 80, 60, 120}


@pytest.mark.parametrize("size", [5, 20, 50, 100])
def test_the_first_rows_hold_each_class_in_its_share(size):
    labels = np.array([0] * 60 + [1] * 38 + [2] * 2)
    order = stratified_order(labels, seed=4)
    assert sorted(order) == list(range(100))
    counts = np.bincount(labels[order[:size]], minlength=3)
    np.testing.assert_allclose(counts, np.array([0.6, 0.38, 0.02]) * size, atol=2)
    assert counts.min() >= 1


def test_the_sample_is_the_seeds():
    labels = np.array([0, 1] * 50)
    np.testing.assert_array_equal(stratified_order(labels, seed=1), stratified_order(labels, seed=1))
    assert (stratified_order(labels, seed=1) != stratified_order(labels, seed=2)).any()
