"""The rungs of the baseline ladder, each a fit on some rows and its answers to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.backbone import locate, new_encoder
from rootstock.encoder import Encoder
from rootstock.errors import ParamsError
from rootstock.files import write_file
from rootstock.finetuning.crossvalidate import Option
from rootstock.head import log_probabilities
from rootstock.params import BackboneParams, EvaluationParams
from rootstock.part import FineTuneMethod, Fitted, Modality, Rows, Start, members
from rootstock.records import Artifact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    #: Known rows, the inputs of n others, their features (n, d) under the bare backbone, and a seed: (n, c) probabilities.
    Rung = Callable[[Rows, Sequence[Any], NDArray[np.float64], int], NDArray[np.float64]]

#: Of the logistic regression on words: fitting it takes about 300 bytes for each.
MOST_WEIGHTS = 10_000_000
#: Penalties of the linear probe and of the classical model, chosen by cross-validation as the model's own are.
INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0)


def notes_of_rungs(modality: Modality, evaluation: EvaluationParams) -> dict[str, str]:
    """What the rungs are that need no choice."""
    return {
        "majority": "always the most frequent class",
        "surface_logistic": f"logistic regression on {'words' if modality.name == 'text' else 'pixels'}",
        "from_scratch": f"the same architecture with random weights, {evaluation.scratch.name} on the labelled rows",
    }


def write_ladder(
    ids: Sequence[str], predictions: Mapping[str, NDArray[np.float64]], *, classes: Sequence[str], folder: Path
) -> Artifact:
    """A table of ``id``, then ``NAME:LABEL`` probabilities of n rows, as ``ladder.parquet``."""
    import pandas as pd

    columns = {f"{rung}:{name}": p[:, i] for rung, p in predictions.items() for i, name in enumerate(classes)}
    table = pd.DataFrame({"id": list(ids), **columns})
    path = folder / "ladder.parquet"
    write_file(path, lambda temporary: table.to_parquet(temporary, index=False))
    return Artifact.of(path)


def fixed_rungs(
    name: str, *, modality: Modality, backbone: BackboneParams, evaluation: EvaluationParams, classes: int
) -> dict[str, Rung]:
    """The rungs below the backbone ``name`` that choose nothing, each a fit on known rows and its answers to others."""

    def majority(known: Rows, asked: Sequence[Any], features: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        return majority_answers(known.labels, classes, rows=len(asked))

    def surface(known: Rows, asked: Sequence[Any], features: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        return surface_answers(modality, known.inputs, known.labels, asked, classes=classes)

    def scratch(known: Rows, asked: Sequence[Any], features: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        fitted = fit_from_scratch(name, backbone, modality, evaluation.scratch, rows=known, classes=classes, seed=seed)
        return answers_of(fitted, asked, features, label="predicting from scratch")

    return {"majority": majority, "surface_logistic": surface, "from_scratch": scratch}


def majority_answers(labels: NDArray[np.int64], classes: int, *, rows: int) -> NDArray[np.float64]:
    """(rows, c), each the share of the classes among the labels."""
    import numpy as np

    return np.tile(np.bincount(labels, minlength=classes) / len(labels), (rows, 1))


def surface_answers(
    modality: Modality, inputs: Sequence[Any], labels: NDArray[np.int64], asked: Sequence[Any], *, classes: int
) -> NDArray[np.float64]:
    """(n_asked, c) of a logistic regression on TF-IDF or pixels, fitted on inputs and their labels (n,).

    Of more words and pairs than make ``MOST_WEIGHTS`` weights, a weight a class, those in the most inputs count.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    known, most = modality.surface_features(inputs, inputs), max(1, MOST_WEIGHTS // classes)
    kept: Any = slice(None)
    if known.shape[1] > most:
        kept = np.sort(np.argsort(-np.bincount(known.nonzero()[1], minlength=known.shape[1]), kind="stable")[:most])
    model = LogisticRegression(C=10.0, max_iter=2000).fit(known[:, kept], labels)
    probabilities = np.zeros((len(asked), classes))
    probabilities[:, model.classes_] = model.predict_proba(modality.surface_features(inputs, asked)[:, kept])
    return probabilities


def probe_option(rows: Rows, classes: int) -> Option:
    """The linear probe on the features of the frozen backbone."""
    method = members(FineTuneMethod)["linear_probe"].model_validate({"name": "linear_probe", "regularisations": INVERSE_PENALTIES})
    return Option(method, None, Start(_no_encoder, classes, None), rows)


def _no_encoder() -> Encoder:
    raise AssertionError("a probe reads features, never the encoder")


def fit_from_scratch(
    name: str, backbone: BackboneParams, modality: Modality, method: FineTuneMethod, *, rows: Rows, classes: int, seed: int
) -> Fitted:
    """The architecture of the backbone ``name`` with random weights, trained. Raises ParamsError if ``method`` trains none."""
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


def answers_of(fitted: Fitted, inputs: Sequence[Any], features: NDArray[np.float64], *, label: str) -> NDArray[np.float64]:
    """(n, c) probabilities of n inputs; ``features`` (n, d) are the bare backbone's, for what left it as it is."""
    import numpy as np

    embedded = fitted.encoder.embed(list(inputs), label) if fitted.encoder else features
    return np.exp(log_probabilities(embedded, fitted.head))
