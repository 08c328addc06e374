"""What does scoring cost beside embedding? 20 sources of 2,000 rows, 64 labelled target rows, every metric of ``params.yaml``.

Sources are bank customers' questions (short: the hard case, as embedding them is cheap), drawn with replacement for each source.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.files import sha256_of
from rootstock.params import Params, load_params
from rootstock.records import Artifact, Dataset, DatasetRevision, Incumbent, PreparedData, RowsFile, ValidationReport
from rootstock.similarity.candidates import list_candidates
from rootstock.similarity.score import embed_dataset, score_candidate
from rootstock_flows.environment import opt_out

if TYPE_CHECKING:
    import pandas as pd

PARAMS = Path(__file__).resolve().parent.parent / "params.yaml"
SOURCES = 20
SOURCE_ROWS = 2000
TARGET_ROWS = 64
TARGET_RATIO = 1.3


def main() -> None:
    """Print both, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with intents/")
    parser.add_argument("--quick", action="store_true", help="4 sources instead of 20")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    opt_out()  # before NumPy is imported, which counts its threads then
    import pandas as pd

    started = time.perf_counter()
    params = load_params(PARAMS)
    frame = pd.read_csv(arguments.data / "intents" / "banking77_train.csv").set_axis(["input", "label"], axis=1)
    with tempfile.TemporaryDirectory() as folder:
        figures = _measure(params, frame, Path(folder), sources=4 if arguments.quick else SOURCES)
    document = {
        "figures": figures,
        "targets": {"ratio": TARGET_RATIO},
        "met": figures["ratio"] <= TARGET_RATIO,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(json.dumps(document, indent=2) if arguments.as_json else _text(document))


def _measure(params: Params, frame: pd.DataFrame, folder: Path, *, sources: int) -> dict[str, Any]:
    import numpy as np

    random = np.random.default_rng(0)
    kept = sorted(frame["label"].unique())[:8]
    target = frame[frame["label"].isin(kept)].groupby("label").head(TARGET_ROWS // len(kept))
    lent = [frame.iloc[random.integers(len(frame), size=SOURCE_ROWS)] for _ in range(sources)]
    prepared = PreparedData(
        target=_dataset("target", target, folder),
        sources=tuple(_dataset(f"source-{n}", rows, folder) for n, rows in enumerate(lent)),
        unusable_sources={},
    )
    nobody = Incumbent(version=None, model=None, run_key=None, earlier=())
    passed = ValidationReport(
        passed=True, results=(), excluded_sources={}, suites=Artifact(path="none", sha256="0" * 64), data_docs=""
    )
    work = str(folder / "workspace")
    given: dict[str, Any] = {"data": params.data, "backbone": params.backbone, "workspace": work}
    began = time.process_time(), time.perf_counter()
    for dataset in (prepared.target, *prepared.sources):
        embed_dataset(params.backbone.name, dataset, **given)
    embedding = time.process_time() - began[0], time.perf_counter() - began[1]
    specs = list_candidates(
        prepared, passed, nobody, modality=params.data.modality, backbone=params.backbone, similarity=params.similarity
    )
    began = time.process_time(), time.perf_counter()
    for spec in specs:
        score_candidate(spec, prepared, nobody, similarity=params.similarity, seed=0, **given)
    scoring = time.process_time() - began[0], time.perf_counter() - began[1]
    return {
        "sources": sources,
        "embedding_cpu_seconds": round(embedding[0], 1), "embedding_seconds": round(embedding[1], 1),
        "scoring_cpu_seconds": round(scoring[0], 1), "scoring_seconds": round(scoring[1], 1),
        "ratio": round((embedding[0] + scoring[0]) / embedding[0], 3),
        "wall_ratio": round((embedding[1] + scoring[1]) / embedding[1], 3),
    }  # fmt: skip


def _dataset(name: str, rows: pd.DataFrame, folder: Path) -> Dataset:
    path = folder / f"{name}.parquet"
    rows.assign(id=[f"{name}-{n}" for n in range(len(rows))])[["id", "input", "label"]].to_parquet(path, index=False)
    labels = tuple(sorted(rows["label"].unique()))
    return Dataset(
        name=name, modality="text", revision=DatasetRevision(dataset=name, revision=f"{name}/v1", git_sha="0" * 40, md5="0" * 32),
        splits={"train": RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(rows))}, labels=labels,
        class_counts={"train": rows["label"].value_counts().to_dict()}, contamination=None,
    )  # fmt: skip


def _text(document: dict[str, Any]) -> str:
    found = document["figures"]
    return (
        f"{found['sources']} sources: embedding {found['embedding_cpu_seconds']} CPU s ({found['embedding_seconds']} s), "
        f"scoring {found['scoring_cpu_seconds']} CPU s ({found['scoring_seconds']} s): both together take "
        f"{found['ratio']} times the embedding alone in CPU seconds, {found['wall_ratio']} in wall time; "
        f"target {TARGET_RATIO}: {'met' if document['met'] else 'not met'}; {document['machine']}"
    )


if __name__ == "__main__":
    main()
