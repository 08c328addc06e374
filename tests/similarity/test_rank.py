"""The rank stage on a tiny real backbone: a related source, an unrelated one, and a champion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rootstock.backbone import Encoder, load_encoder
from rootstock.classifier import input_hash
from rootstock.data.text import Text
from rootstock.errors import DataError
from rootstock.files import sha256_of
from rootstock.finetuning.save import Lineage, save_model
from rootstock.head import logistic_head
from rootstock.part import Fitted
from rootstock.records import Artifact, Incumbent, PreparedData, SourceRanking, ValidationReport
from rootstock.rows import bare_encoder
from rootstock.similarity.rank import BACKBONE, CHAMPION, rank

NOBODY = Incumbent(version=None, model=None, run_key=None)


def validated(**excluded: str) -> ValidationReport:
    suites = Artifact(path="suites", sha256="0" * 64)
    return ValidationReport(passed=True, results=(), excluded_sources=excluded, suites=suites, data_docs="")


@pytest.fixture
def ranked(tiny_data, tiny_params):
    def run(incumbent: Incumbent = NOBODY, prepared: PreparedData = tiny_data, **excluded: str) -> SourceRanking:
        params = tiny_params
        return rank(
            prepared, validated(**excluded), incumbent, data=params.data, backbone=params.backbone, similarity=params.similarity,
            workspace="w", seed=params.seed, folder=Path(),
        )  # fmt: skip

    return run


@pytest.fixture
def champion(tiny_backbone, tiny_data, tmp_path):
    """Gives a champion that has learned from the first rows of the target."""

    def make(learned_rows: int) -> Incumbent:
        rows = pd.read_parquet("related-train.parquet")
        encoder = bare_encoder(str(tiny_backbone), Text(max_tokens=16), pooling="mean", batch_rows=8, cache_folder=tmp_path / "f")
        features = encoder.embed(list(rows["input"]), rows_sha256="champion", label="x")
        labels = np.array([tiny_data.target.labels.index(label) for label in rows["label"]])
        head = logistic_head(features, labels, classes=3, inverse_penalty=10.0)
        model = save_model(
            Path("champion"), Fitted(head, None, {}, (), 0), labels=tiny_data.target.labels, modality=Text(max_tokens=16),
            lineage=Lineage(str(tiny_backbone), "mean", None), name="x",
            inputs=list(pd.read_parquet("target-train.parquet")["input"])[:learned_rows],
        )  # fmt: skip
        return Incumbent(version="1", model=model, run_key="k")

    return make


def test_a_related_source_is_chosen_before_one_with_other_labels(ranked):
    found = ranked()
    assert (found.chosen, found.chosen_kind, found.rows) == ("related", "domain", 18)
    assert [c.source for c in found.candidates] == ["related", "unrelated", BACKBONE]
    scores = {c.source: c.scores for c in found.candidates}
    assert scores["unrelated"]["source_head_loglik"] == pytest.approx(-np.log(3))
    assert scores["related"]["source_head_loglik"] > -np.log(3)
    assert scores[BACKBONE]["source_head_loglik"] is None
    assert scores[BACKBONE]["logme"] is not None


def test_the_same_rows_and_seed_give_the_same_ranking(ranked):
    assert ranked().sha256() == ranked().sha256()


def test_a_source_that_failed_its_checks_is_listed_with_the_reason(ranked):
    found = ranked(related="duplicates: half of it")
    assert found.candidates[-1].source == "related"
    assert found.candidates[-1].excluded == "duplicates: half of it"
    assert found.chosen != "related"


def test_without_any_source_the_backbone_alone_is_the_start(ranked):
    found = ranked(related="x", unrelated="y")
    assert (found.chosen, found.chosen_kind) == (None, "backbone")


def test_a_champion_that_has_seen_the_rows_is_excluded_and_the_others_are_scored_on_all(ranked, champion):
    found = ranked(champion(18))
    excluded = found.candidates[-1]
    assert (excluded.source, excluded.kind) == (CHAMPION, "champion")
    assert excluded.excluded == "it has already learned from 18 of the 18 labelled rows; scoring it needs 2 new ones a class"
    assert found.rows == 18


def test_a_champion_is_scored_on_rows_that_it_has_not_seen_and_so_is_everyone(ranked, champion):
    found = ranked(champion(9))
    by_name = {c.source: c for c in found.candidates}
    assert by_name[CHAMPION].excluded is None
    assert by_name[CHAMPION].scores["centroid_cosine"] is None
    assert {c.rows for c in found.candidates} == {found.rows} == {9}


def test_rows_are_known_again_whatever_their_case_and_blanks():
    assert input_hash("The  keel ") == input_hash("the keel") != input_hash("the keels")


def test_test_rows_are_not_read(ranked):
    before = ranked().sha256()
    Path("target-test.parquet").unlink()
    assert ranked().sha256() == before


def test_the_order_of_the_labelled_rows_does_not_change_the_scores(ranked, tiny_data):
    before = {c.source: c.scores for c in ranked().candidates}
    path = Path("target-train.parquet")
    pd.read_parquet(path).sample(frac=1, random_state=1).to_parquet(path, index=False)
    file = tiny_data.target.splits["train"].model_copy(update={"sha256": sha256_of(path)})
    target = tiny_data.target.model_copy(update={"splits": tiny_data.target.splits | {"train": file}})
    after = {c.source: c.scores for c in ranked(prepared=tiny_data.model_copy(update={"target": target})).candidates}
    for source, scores in before.items():
        assert after[source] == pytest.approx(scores, abs=1e-5)


def test_features_that_are_not_finite_are_a_data_error_that_names_the_data_set(ranked, monkeypatch):
    import torch

    def broken(folder: Path):
        model = load_encoder(folder)
        with torch.no_grad():
            model.embeddings.word_embeddings.weight.fill_(float("nan"))
        return model

    monkeypatch.setattr("rootstock.rows.load_encoder", broken)
    with pytest.raises(DataError, match="embedding target: expected finite features, found others in 18 of 18 rows, first row 0"):
        ranked()


def test_features_are_computed_once_for_all_runs(ranked, monkeypatch):
    ranked()
    monkeypatch.setattr(Encoder, "embed", lambda *_: pytest.fail("computed again"))
    ranked()
