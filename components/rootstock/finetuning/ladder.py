"""The baseline ladder: what the model has to beat, fitted on the same labelled rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.backbone import Encoder, locate, new_encoder
from rootstock.classifier import Classifier
from rootstock.errors import ParamsError
from rootstock.files import write_file
from rootstock.finetuning.crossvalidate import Option, OptionScore, score_options, unseen_rows
from rootstock.head import log_probabilities
from rootstock.params import BackboneParams, DataParams, EvaluationParams, FineTuningParams
from rootstock.part import FineTuneMethod, Fitted, Modality, Rows, Start, members, parse_part
from rootstock.records import NO_TRANSFER, Artifact, Ladder, PreparedData, TrainedModel, TunedBackbone
from rootstock.rows import EncoderSource, bare_encoder, feature_folder, label_indices, read_split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: Penalties of the linear probe and of the classical model, chosen by cross-validation as the model's own are.
INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0)


def climb(
    prepared: PreparedData,
    tuned: TunedBackbone,
    trained: TrainedModel,
    *,
    data: DataParams,
    backbone: BackboneParams,
    finetuning: FineTuningParams,
    evaluation: EvaluationParams,
    workspace: str,
    seed: int,
    folder: Path,
) -> Ladder:
    """Predict the target's test rows with each rung. Test labels are not read.

    Rungs: ``majority``, ``surface_logistic`` (TF-IDF or pixels, logistic regression), ``from_scratch`` (the same architecture with
    random weights, trained on the labelled rows), ``linear_probe`` (frozen backbone), ``no_transfer`` (the model's own method, its
    setting chosen on the same folds, from the same backbone without any source: what the source is worth is the difference to it).
    All stand on the backbone of the model.
    """
    import numpy as np

    started = time.perf_counter()
    classes = prepared.target.labels
    train, test = read_split(prepared.target, "train"), read_split(prepared.target, "test")
    labels = label_indices(list(train["label"]), classes)
    bare = bare_encoder(
        tuned.backbone, data.modality, pooling=backbone.pooling, batch_rows=backbone.batch_rows,
        cache_folder=feature_folder(workspace),
    )  # fmt: skip
    rows = bare.rows(prepared.target, "train")
    test_features = bare.embed(list(test["input"]), rows_sha256=prepared.target.splits["test"].sha256, label="embedding test")
    probe, penalty = _probe(rows, len(classes), folds=finetuning.folds, seed=seed)
    control, control_note = _no_transfer(
        trained, finetuning, rows=rows, test=test, test_features=test_features, classes=classes, encoder=bare, seed=seed,
        eligible=unseen_rows(rows.inputs, tuned.model),
    )  # fmt: skip
    scratch = _from_scratch(tuned.backbone, backbone, data.modality, evaluation.scratch, rows=rows, classes=len(classes), seed=seed)
    predictions = {
        "majority": np.tile(np.bincount(labels, minlength=len(classes)) / len(labels), (len(test), 1)),
        "surface_logistic": _surface(data.modality, train, test, labels=labels, classes=len(classes)),
        "from_scratch": _answers(scratch, test, test_features, label="predicting from scratch"),
        "linear_probe": _answers(probe, test, test_features, label=""),
        NO_TRANSFER: control,
    }
    path = folder / "ladder.parquet"
    write_file(path, lambda temporary: _table(test, predictions, classes).to_parquet(temporary, index=False))
    notes = {
        "majority": "always the most frequent class",
        "surface_logistic": "logistic regression on words" if data.modality.name == "text" else "logistic regression on pixels",
        "from_scratch": f"the same architecture with random weights, {evaluation.scratch.name} on the labelled rows",
        "linear_probe": f"logistic regression on the frozen backbone, C = {penalty:g} by cross-validation",
        NO_TRANSFER: control_note,
    }
    return Ladder(predictions=Artifact.of(path), rungs=tuple(predictions), notes=notes, seconds=time.perf_counter() - started)


def _table(test: pd.DataFrame, predictions: dict[str, NDArray[np.float64]], classes: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    columns = {f"{rung}:{name}": p[:, i] for rung, p in predictions.items() for i, name in enumerate(classes)}
    return pd.DataFrame({"id": test["id"].to_numpy(), **columns})


def _surface(
    modality: Modality, train: pd.DataFrame, test: pd.DataFrame, *, labels: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    inputs = list(train["input"])
    model = LogisticRegression(C=10.0, max_iter=2000).fit(modality.surface_features(inputs, inputs), labels)
    probabilities = np.zeros((len(test), classes))
    probabilities[:, model.classes_] = model.predict_proba(modality.surface_features(inputs, list(test["input"])))
    return probabilities


def _probe(rows: Rows, classes: int, *, folds: int, seed: int) -> tuple[Fitted, float]:
    import numpy as np

    method = members(FineTuneMethod)["linear_probe"].model_validate({"name": "linear_probe", "regularisations": INVERSE_PENALTIES})
    option = Option(method, None, Start(_no_encoder, classes, None), rows)
    return _refit(score_options([option], folds=folds, seed=seed, eligible=np.ones(len(rows.labels), dtype=bool))[0], seed=seed)


def _refit(score: OptionScore, *, seed: int) -> tuple[Fitted, float]:
    option = score.option
    return option.method.fit(option.start, option.rows, heldout=None, setting=score.setting, seed=seed), score.setting


def _no_encoder() -> Encoder:
    raise AssertionError("a probe reads features, never the encoder")


def _no_transfer(
    trained: TrainedModel,
    finetuning: FineTuningParams,
    *,
    rows: Rows,
    test: pd.DataFrame,
    test_features: NDArray[np.float64],
    classes: tuple[str, ...],
    encoder: EncoderSource,
    eligible: NDArray[np.bool_],
    seed: int,
) -> tuple[NDArray[np.float64], str]:
    """(n_test, c) probabilities, and what they are of. A model that learned from no source is its own control."""
    if trained.source is None:
        model = Classifier.load(Path(trained.model.path))
        found = model.predict(list(test["input"])).probabilities
        return found[:, [model.labels.index(label) for label in classes]], "the model itself: it learned from no source"
    method = parse_part(FineTuneMethod, trained.settings)  # type: ignore[type-abstract]
    option = Option(method, None, Start(encoder.load, len(classes), None, bfloat16=finetuning.precision == "auto"), rows)
    fitted, setting = _refit(score_options([option], folds=finetuning.folds, seed=seed, eligible=eligible)[0], seed=seed)
    note = (
        f"{method.name} on the same labelled rows without {trained.source}, {method.setting_unit} {setting:g} by cross-validation"
    )
    return _answers(fitted, test, test_features, label="predicting without transfer"), note


def _from_scratch(
    name: str, backbone: BackboneParams, modality: Modality, method: FineTuneMethod, *, rows: Rows, classes: int, seed: int
) -> Fitted:
    folder = locate(name)

    def load() -> Encoder:
        return Encoder(new_encoder(folder, seed), modality.load_processor(folder), modality, backbone.pooling, backbone.batch_rows)

    fitted = method.fit(Start(load, classes, None), rows, heldout=None, setting=None, seed=seed)
    if fitted.encoder is None:
        raise ParamsError(
            f"evaluation.scratch: expected a method that trains the encoder, found '{method.name}', which leaves it as it is; "
            "choose a method that trains it, such as full"
        )
    return fitted


def _answers(fitted: Fitted, test: pd.DataFrame, features: NDArray[np.float64], *, label: str) -> NDArray[np.float64]:
    """(n_test, c) probabilities; ``features`` are the bare backbone's, for what left it as it is."""
    import numpy as np

    embedded = fitted.encoder.embed(list(test["input"]), label) if fitted.encoder else features
    return np.exp(log_probabilities(embedded, fitted.head))
