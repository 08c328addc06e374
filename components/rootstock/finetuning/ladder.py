"""The baseline ladder: what the model has to beat, fitted on the same labelled rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.backbone import Encoder, locate, new_encoder
from rootstock.errors import ParamsError
from rootstock.files import write_file
from rootstock.finetuning.crossvalidate import Option, score_options
from rootstock.head import log_probabilities
from rootstock.params import BackboneParams, DataParams, EvaluationParams, FineTuningParams
from rootstock.part import FineTuneMethod, Fitted, Modality, Rows, Start, members
from rootstock.records import Artifact, Ladder, PreparedData
from rootstock.rows import bare_encoder, feature_folder, label_indices, read_split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: Penalties of the linear probe and of the classical model, chosen by cross-validation as the model's own are.
INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0)


def climb(
    prepared: PreparedData,
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
    random weights, trained on the labelled rows), ``linear_probe`` (frozen backbone).
    """
    import numpy as np

    started = time.perf_counter()
    classes = prepared.target.labels
    train, test = read_split(prepared.target, "train"), read_split(prepared.target, "test")
    labels = label_indices(list(train["label"]), classes)
    bare = bare_encoder(
        backbone.name, data.modality, pooling=backbone.pooling, batch_rows=backbone.batch_rows,
        cache_folder=feature_folder(workspace),
    )  # fmt: skip
    rows = bare.rows(prepared.target, "train")
    test_features = bare.embed(list(test["input"]), rows_sha256=prepared.target.splits["test"].sha256, label="embedding test")
    probe, penalty = _probe(rows, len(classes), folds=finetuning.folds, seed=seed)
    predictions = {
        "majority": np.tile(np.bincount(labels, minlength=len(classes)) / len(labels), (len(test), 1)),
        "surface_logistic": _surface(data.modality, train, test, labels=labels, classes=len(classes)),
        "from_scratch": _from_scratch(
            backbone, data.modality, evaluation.scratch, rows=rows, test=test, classes=len(classes), seed=seed
        ),
        "linear_probe": _head(probe, test_features),
    }
    path = folder / "ladder.parquet"
    write_file(path, lambda temporary: _table(test, predictions, classes).to_parquet(temporary, index=False))
    notes = {
        "majority": "always the most frequent class",
        "surface_logistic": "logistic regression on words" if data.modality.name == "text" else "logistic regression on pixels",
        "from_scratch": f"the same architecture with random weights, {evaluation.scratch.name} on the labelled rows",
        "linear_probe": f"logistic regression on the frozen backbone, C = {penalty:g} by cross-validation",
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
    start = Start(_no_encoder, classes, None)
    option = Option(method, None, start, rows)
    score = score_options([option], folds=folds, seed=seed, eligible=np.ones(len(rows.labels), dtype=bool))[0]
    return method.fit(start, rows, heldout=None, setting=score.setting, seed=seed), score.setting


def _no_encoder() -> Encoder:
    raise AssertionError("a probe reads features, never the encoder")


def _head(fitted: Fitted, features: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.exp(log_probabilities(features, fitted.head))


def _from_scratch(
    backbone: BackboneParams, modality: Modality, method: FineTuneMethod, *, rows: Rows, test: pd.DataFrame, classes: int, seed: int
) -> NDArray[np.float64]:
    folder = locate(backbone.name)

    def load() -> Encoder:
        return Encoder(new_encoder(folder, seed), modality.load_processor(folder), modality, backbone.pooling, backbone.batch_rows)

    fitted = method.fit(Start(load, classes, None), rows, heldout=None, setting=None, seed=seed)
    if fitted.encoder is None:
        raise ParamsError(
            f"evaluation.scratch: expected a method that trains the encoder, found '{method.name}', which leaves it as it is; "
            "choose a method that trains it, such as full"
        )
    return _head(fitted, fitted.encoder.embed(list(test["input"]), "predicting from scratch"))
