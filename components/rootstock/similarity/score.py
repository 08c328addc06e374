"""Score one candidate on the target's labelled rows; what was scored is kept by content."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.backbone import content_hash, locate, new_encoder
from rootstock.classifier import Classifier, input_hash, read_card, training_hashes
from rootstock.encoder import Encoder
from rootstock.errors import BackboneError, DataError
from rootstock.files import sha256_of_json, sha256_of_source, write_text
from rootstock.groups import with_their_group
from rootstock.head import log_probabilities, logistic_head, scaled
from rootstock.params import BackboneParams, DataParams, SimilarityParams
from rootstock.part import Labelled, Pair, Rows, Unlabelled
from rootstock.records import Dataset, Incumbent, PreparedData, Value
from rootstock.rows import EmbeddedRows, EncoderSource, bare_encoder, feature_folder, tuned_encoder
from rootstock.similarity.candidates import CandidateSpec
from rootstock.similarity.label_match import match_labels, rename_classes
from rootstock.similarity.opinions import Opinions, class_means, opinions_of
from rootstock.similarity.representation import representation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

#: Inverse penalty of the heads fitted on sources: they have many rows, so it hardly matters.
SOURCE_INVERSE_PENALTY = 10.0


class CandidateScores(Value):
    """One candidate, scored."""

    name: str
    scores: dict[str, float | None]
    head_opinions: Opinions | None
    """(rows, c) what its head says of the target's rows, labelled or not; None without one that knows two of the classes"""
    mean_opinions: Opinions | None
    """(rows, c) how near they lie to the means of its classes; what its head says where it has no rows to show"""
    matched_labels: dict[str, str]
    rows: int
    notes: tuple[str, ...]
    excluded: str | None


def embed_dataset(name: str, dataset: Dataset, *, data: DataParams, backbone: BackboneParams, workspace: str) -> EmbeddedRows:
    """Features of a data set's labelled rows under the backbone ``name``: computed once, then kept for every use."""
    return _bare(name, data=data, backbone=backbone, workspace=workspace).rows(dataset, "train")


def score_candidate(
    spec: CandidateSpec,
    prepared: PreparedData,
    incumbent: Incumbent,
    *,
    data: DataParams,
    backbone: BackboneParams,
    similarity: SimilarityParams,
    workspace: str,
    seed: int,
) -> CandidateScores:
    """Every metric of one candidate, on the rows that ``rows_to_score`` gives.

    Raises nothing for a candidate that cannot be scored: the reason stands in ``excluded``.
    """
    key = _key(spec, prepared, incumbent, data=data, backbone=backbone, similarity=similarity, seed=seed)
    path = Path(workspace) / "scores" / f"{key[:32]}.json"
    if path.is_file():
        try:
            return CandidateScores.model_validate_json(path.read_text(encoding="utf-8"))
        except ValueError:  # half a file of another time: score again
            path.unlink()
    try:
        found = _score(
            spec, prepared, incumbent, data=data, backbone=backbone, similarity=similarity, workspace=workspace, seed=seed
        )
    except (DataError, BackboneError) as error:  # not InputError: a full disk is no fault of the candidate
        if spec.backbone == backbone.name and spec.kind == "backbone":
            raise
        return _not_scored(spec, similarity, str(error))
    write_text(path, found.model_dump_json(indent=1) + "\n")
    return found


def rows_to_score(
    prepared: PreparedData, everything: Rows, incumbent: Incumbent, *, most: int
) -> tuple[NDArray[np.int64], dict[str, str]]:
    """Indices of at most so many labelled rows that candidates are scored on, the same for all; and versions that cannot be scored.

    A version in the registry is scored on rows that it has not learned from, nor from others of their group. If those are fewer
    than two a class, it is not scored.
    """
    import numpy as np

    hashes = [input_hash(value) for value in everything.inputs]
    groups = everything.groups
    kept = np.argsort(hashes, kind="stable")  # in whatever order they come, the same rows fall into the same folds
    refused: dict[str, str] = {}
    for name, folder in _version_folders(incumbent).items():
        learned = training_hashes(folder)
        seen = with_their_group(np.array([name in learned for name in hashes], dtype=bool), groups)
        unseen = kept[~seen[kept]]
        counts = np.bincount(everything.labels[unseen], minlength=len(prepared.target.labels))
        if counts.min() >= 2:
            kept = unseen
        else:
            refused[name] = (
                f"it has already learned from {len(kept) - len(unseen)} of the {len(kept)} labelled rows; "
                "scoring it needs 2 new ones a class"
            )
    return kept[_first_of_each_class(everything.labels[kept], most)], refused


def _first_of_each_class(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Places of at most so many of n labels, in order: the first of each class by its share, two of each in any case."""
    import numpy as np

    share = min(1.0, most / len(labels))
    kept = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.sort(np.concatenate([rows[: max(2, round(share * len(rows)))] for rows in kept]))


def _version_folders(incumbent: Incumbent) -> dict[str, Path]:
    found = {"champion": Path(incumbent.model.path)} if incumbent.model is not None else {}
    return found | {f"version {earlier.version}": Path(earlier.model.path) for earlier in incumbent.earlier}


def _key(
    spec: CandidateSpec,
    prepared: PreparedData,
    incumbent: Incumbent,
    *,
    data: DataParams,
    backbone: BackboneParams,
    similarity: SimilarityParams,
    seed: int,
) -> str:
    source = next((each.splits["train"].sha256 for each in prepared.sources if each.name == spec.source), None)
    versions = {"champion": incumbent.model, **{f"version {e.version}": e.model for e in incumbent.earlier}}
    is_bare = spec.excluded is None and spec.kind not in ("champion", "version")
    return sha256_of_json(
        [
            _code(),
            spec.model_dump(mode="json"),
            content_hash(locate(spec.backbone)) if is_bare else None,
            {name: rows.sha256 for name, rows in prepared.target.splits.items()},
            prepared.target.labels,
            source,
            {name: model.sha256 for name, model in versions.items() if model is not None},
            [data.modality.model_dump(mode="json"), data.renamed_labels, backbone.pooling],
            [metric.model_dump(mode="json") for metric in similarity.metrics],
            [similarity.label_match_cosine, similarity.labelled_rows, similarity.unlabelled_rows],
            seed,
        ]
    )


@cache
def _code() -> str:
    return sha256_of_source(Path(__file__).parent.parent)


def _score(
    spec: CandidateSpec,
    prepared: PreparedData,
    incumbent: Incumbent,
    *,
    data: DataParams,
    backbone: BackboneParams,
    similarity: SimilarityParams,
    workspace: str,
    seed: int,
) -> CandidateScores:
    first = _bare(backbone.name, data=data, backbone=backbone, workspace=workspace)
    everything = first.rows(prepared.target, "train")
    rows, refused = rows_to_score(prepared, everything, incumbent, most=similarity.labelled_rows)
    if why := spec.excluded or refused.get(spec.name):
        return _not_scored(spec, similarity, why)
    encoder = _encoder(spec, incumbent, data=data, backbone=backbone, workspace=workspace, seed=seed)
    target = _labelled(encoder.rows(prepared.target, "train"), prepared.target.labels, rows)
    _refuse_flat(target.features, "the target's rows")
    others = encoder.unlabelled(prepared.target) if similarity.unlabelled_rows else None
    asked = similarity.unlabelled_rows
    more = Unlabelled(others.inputs(asked), others.features(asked)) if others is not None else None
    source = next((each for each in prepared.sources if each.name == spec.source), None)
    matched: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if source is not None:
        lent = _labelled(encoder.rows(source, "train"), source.labels, None)
        _refuse_flat(lent.features, f"the rows of {source.name}")
        head = logistic_head(lent.features, lent.labels, classes=len(source.labels), inverse_penalty=SOURCE_INVERSE_PENALTY)
        say = partial(log_probabilities, head=head)
        said = say(target.features)
        matched = match_labels(
            prepared.target.labels, source.labels, embed=_embed_names(encoder, data), threshold=similarity.label_match_cosine
        )
        notes = _notes(matched, prepared.target.labels, source)
        names, offered = rename_classes(source.labels, matched), representation_of(target.features, said)
        pair = Pair(target, lent, said, names, offered, data.modality, seed, more)
    elif spec.kind in ("champion", "version"):
        folder = _version_folders(incumbent)[spec.name]
        card = read_card(folder)
        say = partial(log_probabilities, head=Classifier.load_head(folder), normalise=card.normalise)
        said = say(target.features)
        known = {data.renamed_labels.get(label, label): label for label in card.labels} | {label: label for label in card.labels}
        matched = {label: known[label] for label in prepared.target.labels if label in known}
        names = rename_classes(card.labels, matched)
        pair = Pair(target, None, said, names, scaled(target.features), data.modality, seed, more)
    else:
        pair = Pair(target, None, None, (), scaled(target.features), data.modality, seed, more)
    scores = {metric.name: metric.measure(pair) for metric in similarity.metrics}
    head_opinions: Opinions | None = None
    mean_opinions: Opinions | None = None
    if pair.head_classes:
        labels, said = prepared.target.labels, say(pair.domain_features)
        head_opinions = opinions_of(said, pair.head_classes, labels)
        mean_opinions = opinions_of(_nearness_to_classes(pair, said), pair.head_classes, labels)
    return CandidateScores(
        name=spec.name,
        scores=scores,
        head_opinions=head_opinions,
        mean_opinions=mean_opinions,
        matched_labels=matched,
        rows=len(rows),
        notes=notes,
        excluded=None,
    )


def _nearness_to_classes(pair: Pair, said: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, c_head) of the target's rows to the means of the source's classes; what its head has ``said`` where it shows no rows."""
    if pair.source is None:
        return said
    means = class_means(scaled(pair.source.features), pair.source.labels, classes=len(pair.source.classes))
    return scaled(pair.domain_features) @ means.T


def _not_scored(spec: CandidateSpec, similarity: SimilarityParams, why: str) -> CandidateScores:
    nothing: dict[str, float | None] = {metric.name: None for metric in similarity.metrics}
    return CandidateScores(
        name=spec.name,
        scores=nothing,
        head_opinions=None,
        mean_opinions=None,
        matched_labels={},
        rows=0,
        notes=(),
        excluded=why,
    )


def _labelled(rows: EmbeddedRows, classes: tuple[str, ...], indices: NDArray[np.int64] | None) -> Labelled:
    if indices is None:
        return Labelled(rows.inputs, rows.features, rows.layer_mean, rows.labels, classes, rows.groups)
    inputs, groups = [rows.inputs[i] for i in indices], rows.groups[indices] if rows.groups is not None else None
    return Labelled(inputs, rows.features[indices], rows.layer_mean[indices], rows.labels[indices], classes, groups)


def _refuse_flat(features: NDArray[np.float64], whose: str) -> None:
    """Features that are the same for every row tell nothing. Raises DataError."""
    if not (features.std(axis=0) > 0).any():
        raise DataError(f"expected features that differ between rows, found {whose} all alike; the backbone cannot read them")


def _notes(matched: dict[str, str], labels: Sequence[str], source: Dataset) -> tuple[str, ...]:
    renamed = [f"{mine} = {theirs}" for mine, theirs in sorted(matched.items()) if mine != theirs]
    notes = [f"labels taken for the same: {', '.join(renamed)}"] if renamed else []
    if not matched:
        found = ", ".join(source.labels[:3]) + (", ..." if len(source.labels) > 3 else "")
        notes.append(f"none of its {len(source.labels)} labels ({found}) means one of the target's: its head is not carried over")
    elif missing := [label for label in labels if label not in matched]:
        notes.append(f"it knows nothing of {', '.join(missing)}")
    if source.contamination is not None and (dropped := source.contamination.dropped):
        notes.append(
            f"{dropped:,} of its rows are copies of the target's and were dropped: {source.splits['train'].rows:,} are left"
        )
    return tuple(notes)


def _embed_names(encoder: EncoderSource, data: DataParams) -> Callable[[Sequence[str]], NDArray[np.float64]] | None:
    """Embeds class names where the backbone reads text; None where it does not."""
    if data.modality.name != "text":
        return None
    return lambda names: encoder.embed(list(names), rows_sha256=sha256_of_json(list(names)), label="class names")


def _bare(name: str, *, data: DataParams, backbone: BackboneParams, workspace: str) -> EncoderSource:
    return bare_encoder(
        name, data.modality, pooling=backbone.pooling, batch_rows=backbone.batch_rows, cache_folder=feature_folder(workspace)
    )


def _encoder(
    spec: CandidateSpec, incumbent: Incumbent, *, data: DataParams, backbone: BackboneParams, workspace: str, seed: int
) -> EncoderSource:
    kept = feature_folder(workspace)
    if spec.kind == "scratch":
        folder = locate(spec.backbone)

        def load() -> Encoder:
            return Encoder(
                new_encoder(folder, seed),
                data.modality.load_processor(folder),
                data.modality,
                backbone.pooling,
                backbone.batch_rows,
            )

        bare = _bare(spec.backbone, data=data, backbone=backbone, workspace=workspace)
        return EncoderSource(sha256_of_json([bare.key, "scratch", seed]), load, kept)
    if spec.kind == "champion" and incumbent.model is not None:
        return tuned_encoder(incumbent.model, batch_rows=backbone.batch_rows, cache_folder=kept)
    for earlier in incumbent.earlier:
        if spec.name == f"version {earlier.version}":
            return tuned_encoder(earlier.model, batch_rows=backbone.batch_rows, cache_folder=kept)
    return _bare(spec.backbone, data=data, backbone=backbone, workspace=workspace)
