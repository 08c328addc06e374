"""``rootstock pretrain``: from the registry's rows to a backbone's folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from rootstock import __version__
from rootstock.architecture import writer
from rootstock.backbone import content_hash, load_encoder, locate
from rootstock.data.pretraining import PretrainingRows, pretraining_rows
from rootstock.encoder import Encoder
from rootstock.errors import InputError
from rootstock.finetuning.pretrain import Examples, Pretrained, pretrain, pretraining_method, save_backbone
from rootstock.params import Params
from rootstock.part import FineTuneMethod, Keep
from rootstock.rows import label_indices


def run_pretrain(params: Params, source: str, *, to: Path, architecture: str | None, heldout: float) -> dict[str, Any]:
    """Train a small backbone on data set ``source`` and write it to the new folder ``to``; what was done, as JSON values.

    Raises InputError if something stands in ``to``, DataError or ParamsError for data and settings that cannot be learned with.
    """
    if to.exists():
        raise InputError(f"--to {to}: expected a name that is free, found something there; choose another name or remove it")
    modality = params.data.modality
    name, write = writer(architecture, modality=modality.name)
    method = pretraining_method(params.finetuning, params.evaluation)
    rows = pretraining_rows(source, data=params.data, heldout=heldout, seed=params.seed)
    tokenizer = locate(params.backbone.name) if modality.name == "text" else None
    keep = Keep(Path(params.workspace) / "checkpoints" / f"pretrain-{to.name}", 60 * params.finetuning.checkpoint_minutes)
    with tempfile.TemporaryDirectory() as scratch:
        random = Path(scratch)
        write(random, params.seed, tokenizer)

        def load() -> Encoder:
            return Encoder(
                load_encoder(random), modality.load_processor(random), modality, params.backbone.pooling, params.backbone.batch_rows
            )

        trained = pretrain(
            load, method, _examples(rows, "train"), heldout=_examples(rows, "heldout"), classes=len(rows.labels), seed=params.seed,
            keep=keep,
        )  # fmt: skip
        document = _document(params, rows, trained, architecture=name, method=method)
        save_backbone(to, trained.encoder, processor=random, card=_card(document, rows))
    return document | {"folder": to.as_posix(), "sha256": content_hash(to)}


def _examples(rows: PretrainingRows, part: str) -> Examples:
    frame = rows.train if part == "train" else rows.heldout
    return Examples(frame["input"].tolist(), label_indices(frame["label"].tolist(), rows.labels))


def _document(
    params: Params, rows: PretrainingRows, trained: Pretrained, *, architecture: str, method: FineTuneMethod
) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "parameters": trained.parameters,
        "source": rows.revision.model_dump(mode="json"),
        "labels": list(rows.labels),
        "rows": len(rows.train),
        "target": rows.target.revision if rows.target else None,
        "contamination": rows.contamination.model_dump(mode="json") if rows.contamination else None,
        "accuracy": trained.accuracy.model_dump(mode="json"),
        "losses": list(trained.losses),
        "notes": list(trained.notes),
        "method": method.model_dump(mode="json"),
        "modality": params.data.modality.model_dump(mode="json"),
        "pooling": params.backbone.pooling,
        "seed": params.seed,
        "rootstock": __version__,
        "seconds": trained.seconds,
    }


def accuracy_line(accuracy: dict[str, Any]) -> str:
    """Accuracy with its interval, in percent."""
    return (
        f"{100 * accuracy['value']:.1f}% of {accuracy['n']:,} held-out rows ({100 * accuracy['low']:.1f} to "
        f"{100 * accuracy['high']:.1f}, 95% interval)"
    )


def _card(document: dict[str, Any], rows: PretrainingRows) -> str:
    """README.md: the licence where tools look for it, then how the backbone was made."""
    source, compared = document["source"], document["contamination"]
    dropped = (
        f"{compared['exact'] + compared['near']} copies of test rows of {document['target']} were dropped first"
        if compared
        else "there was no target yet whose test rows it could be compared with"
    )
    licence = f"---\nlicense: {rows.licence}\n---\n" if rows.licence else ""
    return (
        f"{licence}# {document['architecture']} trained on {source['revision']}\n\n"
        f"{document['parameters']:,} weights, trained from random ones on {document['rows']:,} labelled rows; {dropped}.\n"
        f"Accuracy: {accuracy_line(document['accuracy'])}.\n\n"
        f"- data: {source['revision']}, git {source['git_sha']}, md5 {source['md5']}, licence {rows.licence or 'not stated'}\n"
        f"- labels: {', '.join(rows.labels)}\n"
        f"- method: {json.dumps(document['method'], sort_keys=True)}\n"
        f"- inputs: {json.dumps(document['modality'], sort_keys=True)}, pooling {document['pooling']}\n"
        f"- seed: {document['seed']}, rootstock {document['rootstock']}\n"
    )
