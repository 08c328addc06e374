"""Whether a registered version can be put to work: downloaded, compared with what was registered, loaded and asked."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.errors import InputError, Refusal
from rootstock.files import sha256_of
from rootstock.fingerprint import check_answers
from rootstock.records import EvalReport, PreparedData
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.mlflow_registry import SHA256_TAG, Version
from rootstock.registration.model_folder import check_round_trip, predict_with_classifier
from rootstock.rows import tested_split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Asked where the rows that the version was judged on are no longer at hand.
PROBE_TEXTS = ("a short text", "another one, which is a little longer than the first", "?")
PROBE_GREYS = (0, 128, 255)


def check_loads(version: Version, *, model: str, client: Any, workspace: str) -> None:
    """Raise Refusal saying why, if a version cannot be put to work; nothing was moved then.

    Its folder must have the sha256 that was registered and load, and its answers must be probabilities: on up to 16 of the test
    rows that it was judged on the same as then, where these rows still lie in the workspace, and otherwise those sealed with it.
    Raises ServiceError if the registry fails.
    """
    Path(workspace).mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=workspace) as temporary:
            folder = registry.fetch_model(f"models:/{model}/{version.version}", Path(temporary) / "model")
            expected, found = version.tags.get(SHA256_TAG), sha256_of(folder)
            if expected is not None and expected != found:
                raise Refusal(f"expected a model folder with sha256 {expected[:12]}, the artifact store gave {found[:12]}")
            if (judged := _judged_on(client, version.run_id)) is not None:
                check_round_trip(folder, *judged, predict=predict_with_classifier)
            else:
                _check_answers(*_ask(folder))
    except (InputError, Refusal) as error:
        raise Refusal(f"model '{model}': version {version.version} cannot be put to work: {error}; nothing was moved") from error


def _judged_on(client: Any, run_id: str) -> tuple[EvalReport, PreparedData] | None:
    """What the version was judged by, if all of it is at hand and as it was."""
    texts = [registry.read_record(client, run_id, name) for name in ("evaluation", "prepared_data")] if run_id else [None]
    if None in texts:
        return None
    try:
        report, prepared = EvalReport.model_validate_json(texts[0] or ""), PreparedData.model_validate_json(texts[1] or "")
    except ValueError:  # of another release
        return None
    whole = report.predictions.damage() is None and prepared.target.splits[tested_split(prepared.target)].damage() is None
    return (report, prepared) if whole else None


def _ask(folder: Path) -> tuple[int, NDArray[np.float64]]:
    """Number of classes, and the probabilities of the probes."""
    classifier = check_answers(folder)
    inputs: Sequence[Any] = [_grey(each) for each in PROBE_GREYS] if classifier.modality.name == "image" else PROBE_TEXTS
    return len(classifier.labels), classifier.predict(inputs).probabilities


def _grey(level: int) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (32, 32), level).save(stream, "PNG")
    return stream.getvalue()


def _check_answers(classes: int, probabilities: NDArray[np.float64]) -> None:
    import numpy as np

    sums = probabilities.sum(axis=1)
    if probabilities.shape[1] != classes or not np.isfinite(probabilities).all() or not np.allclose(sums, 1.0, atol=1e-4):
        raise Refusal(f"expected probabilities of {classes} classes that sum to one, found sums {np.round(sums, 4).tolist()}")
