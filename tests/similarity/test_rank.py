"""The rank stage on a tiny real backbone: a related source, an unrelated one, and a champion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rootstock.backbone import content_hash, load_encoder
from rootstock.classifier import input_hash
from rootstock.data.text import Text
from rootstock.encoder import Encoder
from rootstock.errors import DataError
from rootstock.files import sha256_of
from rootstock.finetuning.save import Lineage, save_model
from rootstock.head import logistic_head
from rootstock.params import parse_params
from rootstock.part import Fitted
from rootstock.records import (
    Artifact,
    EarlierVersion,
    History,
    Incumbent,
    PreparedData,
    RowsFile,
    SourceRanking,
    ValidationReport,
)
from rootstock.rows import bare_encoder
from rootstock.similarity.candidates import ALONE, CHAMPION, SCRATCH
from rootstock.similarity.gain_model import GainModel
from rootstock.similarity.rank import rank
from rootstock.similarity.shared_scores import SHARED_UNITS

NOBODY = Incumbent(version=None, model=None, run_key=None, earlier=())


def validated(**excluded: str) -> ValidationReport:
    suites = Artifact(path="suites", sha256="0" * 64)
    return ValidationReport(passed=True, results=(), excluded_sources=excluded, suites=suites, data_docs="")


@pytest.fixture(scope="module")
def advise(tiny_params):
    """Ranks in the working directory."""

    def run(
        prepared: PreparedData, incumbent: Incumbent = NOBODY, *, backbone: dict | None = None, similarity: dict | None = None,
        **excluded: str,
    ) -> SourceRanking:  # fmt: skip
        params = tiny_params
        return rank(
            prepared, validated(**excluded), incumbent, History(outcomes=()), data=params.data,
            backbone=params.backbone.model_copy(update=backbone or {}),
            similarity=params.similarity.model_copy(update=similarity or {}), workspace="w", seed=params.seed, folder=Path(),
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def finished(advise, write_tiny_data, tmp_path_factory) -> tuple[Path, SourceRanking]:
    """A project folder in which the tiny data were ranked; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, advise(write_tiny_data())


@pytest.fixture
def plain(finished) -> SourceRanking:
    """The ranking of the tiny data as they are."""
    return finished[1]


@pytest.fixture
def ranked(tiny_data, advise, finished):
    """Ranks the tiny data, changed or not, with the features of the unchanged ones at hand and no scores."""
    shutil.copytree(finished[0] / "w" / "features", Path("w/features"))
    return lambda incumbent=NOBODY, prepared=tiny_data, **changes: advise(prepared, incumbent, **changes)


@pytest.fixture
def ranked_before(ranked, finished):
    """The same with the scores at hand too."""
    shutil.copytree(finished[0] / "w" / "scores", Path("w/scores"))
    return ranked


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
        return Incumbent(version="1", model=model, run_key="k", earlier=())

    return make


def test_a_related_source_is_chosen_before_one_with_other_labels(ranked, params_mapping, tiny_params):
    """With the metrics as params.yaml has them."""
    metrics = parse_params(params_mapping(), "params.yaml").similarity.metrics
    assert metrics != tiny_params.similarity.metrics
    found = ranked(similarity={"metrics": metrics})
    assert (found.chosen, found.chosen_kind, found.rows) == ("related", "domain", 18)
    assert [c.source for c in found.candidates] == ["related", "unrelated", ALONE, SCRATCH]
    scores = {c.source: c.scores for c in found.candidates}
    assert scores["unrelated"]["source_head_loglik"] == pytest.approx(-np.log(3))
    assert scores["related"]["source_head_loglik"] > -np.log(3)
    assert scores[ALONE]["source_head_loglik"] is None
    assert scores[ALONE]["logme"] is not None


def test_the_same_rows_and_seed_give_the_same_ranking(ranked, plain):
    assert ranked().sha256() == plain.sha256()


def test_a_source_that_failed_its_checks_is_listed_with_the_reason(ranked):
    found = ranked(related="duplicates: half of it")
    [out] = [c for c in found.candidates if c.excluded]
    assert (out.source, out.excluded) == ("related", "duplicates: half of it")
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


def test_gains_are_predicted_for_the_rows_that_are_learned_from_not_for_those_scored(ranked, champion, monkeypatch):
    asked, predict = [], GainModel.predict

    def recorded(self, evidence, sources, *, rows_per_class, **more):
        asked.append(rows_per_class)
        return predict(self, evidence, sources, rows_per_class=rows_per_class, **more)

    monkeypatch.setattr(GainModel, "predict", recorded)
    assert ranked(champion(9)).rows == 9
    assert set(asked) == {18 / 3}


def test_rows_are_known_again_whatever_their_case_and_blanks():
    assert input_hash("The  keel ") == input_hash("the keel") != input_hash("the keels")


def test_test_rows_are_not_read(ranked, plain):
    Path("target-test.parquet").unlink()
    assert ranked().sha256() == plain.sha256()


def test_the_order_of_the_labelled_rows_does_not_change_the_scores(ranked, plain, tiny_data):
    before = {c.source: c.scores for c in plain.candidates}
    path = Path("target-train.parquet")
    pd.read_parquet(path).sample(frac=1, random_state=1).to_parquet(path, index=False)
    file = tiny_data.target.splits["train"].model_copy(update={"sha256": sha256_of(path)})
    target = tiny_data.target.model_copy(update={"splits": tiny_data.target.splits | {"train": file}})
    after = {c.source: c.scores for c in ranked(prepared=tiny_data.model_copy(update={"target": target})).candidates}
    for source, scores in before.items():
        assert after[source] == pytest.approx(scores, abs=1e-5)


def test_features_that_are_not_finite_are_a_data_error_that_names_the_data_set(advise, tiny_data, monkeypatch):
    import torch

    def broken(folder: Path):
        model = load_encoder(folder)
        with torch.no_grad():
            model.embeddings.word_embeddings.weight.fill_(float("nan"))
        return model

    monkeypatch.setattr("rootstock.rows.load_encoder", broken)
    with pytest.raises(DataError, match="embedding target: expected finite features, found others in 18 of 18 rows, first row 0"):
        advise(tiny_data)


def test_features_are_computed_once_for_all_runs(ranked, tiny_params, monkeypatch):
    for name in ("embed", "embed_layers"):
        monkeypatch.setattr(Encoder, name, lambda *_: pytest.fail("computed again"))
    found = ranked(similarity={"metrics": tiny_params.similarity.metrics[-3:]})
    assert len(found.candidates[0].scores) == 3 + len(SHARED_UNITS)  # that come with every ranking


def test_every_candidate_has_a_prediction_but_the_controls(ranked, champion):
    found = {c.name: c for c in ranked(champion(9)).candidates}
    for name in ("related", "unrelated", CHAMPION):
        gain = found[name].predicted_gain
        assert gain.low < gain.value < gain.high
        assert 0 < found[name].risk < 1
    assert found[ALONE].predicted_gain is None
    assert found[SCRATCH].predicted_gain is None
    assert found[SCRATCH].scores["linear_probe"] is not None


@pytest.fixture
def with_twin(tiny_data, tmp_path):
    """The tiny data with a second source that is as good as the related one, and has none of its rows or all of them."""

    def make(*, same_rows: bool = False) -> PreparedData:
        related, rows = tiny_data.sources[0], pd.read_parquet(tiny_data.sources[0].splits["train"].path)
        path = tmp_path / "twin.parquet"
        rows.assign(input=rows["input"] + ("" if same_rows else " again")).to_parquet(path)
        splits = {"train": RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(rows))}
        twin = related.model_copy(update={"name": "twin", "splits": splits})
        return tiny_data.model_copy(update={"sources": (*tiny_data.sources, twin)})

    return make


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_beside_one_source_the_scores_decide_and_not_the_alphabet(ranked, champion, tiny_data, name):
    source = tiny_data.sources[1].model_copy(update={"name": name})
    found = ranked(champion(0), prepared=tiny_data.model_copy(update={"sources": (source,)}))
    assert (found.candidates[0].name, found.candidates[1].name) == (CHAMPION, name)
    assert found.candidates[0].predicted_gain.value > found.candidates[1].predicted_gain.value


def test_the_best_sources_together_are_a_candidate_that_can_be_chosen(ranked, with_twin):
    found = ranked(prepared=with_twin())
    by_name = {c.name: c for c in found.candidates}
    (together,) = (c for c in found.candidates if " + " in c.name)
    members = [by_name[name] for name in together.name.split(" + ")]
    assert found.chosen == found.chosen_name == found.candidates[0].name == together.name
    assert {member.name for member in members} == {"related", "twin"}
    assert (together.kind, together.matched_labels) == ("domain", members[0].matched_labels)
    assert together.scores == pytest.approx({name: sum(m.scores[name] for m in members) / 2 for name in together.scores})
    assert together.predicted_gain.value > max(member.predicted_gain.value for member in members)
    assert together.notes == ("its scores are the means over the 2 sources",)


def test_a_data_set_is_not_joined_with_itself_under_another_name(ranked, with_twin):
    assert not [c.name for c in ranked(prepared=with_twin(same_rows=True)).candidates if " + " in c.name]


def test_what_stands_beside_sources_together_is_as_without_them(ranked, with_twin):
    prepared = with_twin()
    beside = [c for c in ranked(prepared=prepared).candidates if " + " not in c.name]
    assert beside == list(ranked(prepared=prepared, similarity={"joined_sources": 0}).candidates)


def test_an_earlier_version_is_a_candidate_too(ranked, champion):
    now = champion(9)
    found = ranked(now.model_copy(update={"earlier": (EarlierVersion(version="7", model=now.model),)}))
    by_name = {c.name: c for c in found.candidates}
    assert by_name["version 7"].kind == "version"
    assert by_name["version 7"].scores == by_name[CHAMPION].scores


def test_each_backbone_is_ranked_with_each_source_and_one_that_is_missing_is_named(ranked, tiny_backbone, tmp_path):
    second = tmp_path / "second"
    shutil.copytree(tiny_backbone, second)
    found = {c.name: c for c in ranked(backbone={"alternatives": (str(second), "./nowhere")}).candidates}
    assert found[f"related on {second}"].scores == pytest.approx(found["related"].scores, abs=1e-3)
    assert found[f"backbone alone on {second}"].predicted_gain is not None
    assert found[ALONE].predicted_gain is None
    assert "nowhere" in found["related on ./nowhere"].excluded
    assert found["related"].excluded is None


def test_a_backbone_without_a_tokenizer_is_excluded_with_its_reason_and_the_others_are_ranked(ranked, tiny_backbone, tmp_path):
    mute = shutil.copytree(tiny_backbone, tmp_path / "mute", ignore=shutil.ignore_patterns("token*", "vocab*"))
    found = {c.name: c for c in ranked(backbone={"alternatives": (str(mute),)}).candidates}
    assert "expected a tokenizer" in found[f"related on {mute}"].excluded
    assert found["related"].excluded is None


def test_a_version_whose_backbone_is_gone_is_excluded_with_its_reason_and_the_others_are_ranked(ranked, champion):
    now = champion(0)
    card = json.loads(Path("champion/rootstock.json").read_text(encoding="utf-8"))
    shutil.copytree("champion", "old")
    Path("old/rootstock.json").write_text(json.dumps(card | {"base": card["base"] | {"name": "./gone"}}), encoding="utf-8")
    earlier = EarlierVersion(version="7", model=Artifact(path="old", sha256="1" * 64))
    found = {c.name: c for c in ranked(now.model_copy(update={"earlier": (earlier,)})).candidates}
    assert "gone" in found["version 7"].excluded
    assert found[CHAMPION].excluded is None


def test_a_candidate_over_a_limit_is_excluded_with_its_reason(ranked, tiny_backbone, tiny_params):
    limits = tiny_params.similarity.limits.model_copy(update={"parameters": 10})
    found = ranked(similarity={"limits": limits})
    assert {c.name for c in found.candidates if c.excluded} == {"related", "unrelated"}
    assert all("parameters, at most 10 allowed" in c.excluded for c in found.candidates if c.excluded)
    assert (found.chosen, found.chosen_kind) == (None, "backbone")


def test_a_source_without_a_licence_is_excluded_where_one_is_asked_for(ranked, tiny_data, tiny_params):
    limits = tiny_params.similarity.limits.model_copy(update={"licences": ("MIT",)})
    found = {c.name: c for c in ranked(similarity={"limits": limits}).candidates}
    assert found["related"].excluded == "its licence is unknown, allowed are MIT"


def test_a_source_that_could_not_be_prepared_is_listed(ranked, tiny_data):
    found = ranked(prepared=tiny_data.model_copy(update={"unusable_sources": {"pictures": "it holds images"}}))
    assert {c.name: c.excluded for c in found.candidates}["pictures"] == "it holds images"


def test_a_source_whose_features_do_not_vary_is_excluded_and_the_others_are_ranked(ranked, tiny_data):
    path = Path("related-train.parquet")
    pd.read_parquet(path).assign(input="the same").to_parquet(path, index=False)
    file = tiny_data.sources[0].splits["train"].model_copy(update={"sha256": sha256_of(path)})
    flat = tiny_data.sources[0].model_copy(update={"splits": {"train": file}})
    prepared = tiny_data.model_copy(update={"sources": (flat, *tiny_data.sources[1:])})
    found = {c.name: c for c in ranked(prepared=prepared).candidates}
    assert "all alike" in found["related"].excluded
    assert found["unrelated"].excluded is None


def test_labels_that_mean_nothing_of_the_target_are_noted(plain):
    [note] = next(c for c in plain.candidates if c.name == "unrelated").notes
    assert note.startswith("none of its 3 labels (unrelated boats, ")


def test_the_target_and_its_sources_have_a_place_on_the_map(plain):
    places = plain.projection
    assert set(places) == {"target", "related", "unrelated"}
    assert np.ptp(list(places.values())) > 0


def test_what_was_scored_is_kept_and_read_again(ranked_before, plain, monkeypatch):
    monkeypatch.setattr("rootstock.similarity.score._score", lambda *_, **__: pytest.fail("scored again"))
    assert ranked_before().sha256() == plain.sha256()


def test_other_weights_under_the_name_of_a_backbone_are_scored_anew(advise, tiny_data, tiny_backbone, tmp_path):
    from safetensors.torch import load_file, save_file

    own = shutil.copytree(tiny_backbone, tmp_path / "own")
    before = advise(tiny_data, backbone={"name": str(own)})
    weights = load_file(own / "model.safetensors")
    save_file({name: weight.flip(0) for name, weight in weights.items()}, own / "model.safetensors", metadata={"format": "pt"})
    content_hash.cache_clear()  # as in another process
    after = advise(tiny_data, backbone={"name": str(own)})
    assert {c.name: c.scores for c in before.candidates} != {c.name: c.scores for c in after.candidates}


def test_half_a_file_of_scores_is_not_trusted(ranked_before, plain):
    for path in Path("w/scores").glob("*.json"):
        path.write_text(path.read_text()[:40], encoding="utf-8")
    assert ranked_before().sha256() == plain.sha256()


def test_heads_of_the_same_classes_are_held_against_one_another(ranked, tiny_data):
    twin = tiny_data.sources[0].model_copy(update={"name": "twin"})
    found = ranked(prepared=tiny_data.model_copy(update={"sources": (*tiny_data.sources, twin)}))
    scores = {c.name: c.scores["head_agreement"] for c in found.candidates}
    assert scores["related"] == pytest.approx(1.0) == scores["twin"]  # the same rows, the same head
    assert scores["unrelated"] is None
    alike = {c.name: c.scores["consensus"] for c in found.candidates}
    assert alike["related"] == pytest.approx(1.0) == alike["twin"]
    assert alike["unrelated"] is alike[ALONE] is None
    matched = {c.name: c.scores["matched_classes"] for c in found.candidates}
    assert (matched["related"], matched["unrelated"], matched[ALONE]) == (1.0, 0.0, None)
