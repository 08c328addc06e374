"""Train a backbone from random weights on a labelled source domain, and write it as one that can be named."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.encoder import Encoder
from rootstock.errors import ParamsError
from rootstock.files import new_folder, write_text
from rootstock.head import log_probabilities
from rootstock.params import EvaluationParams, FineTuningParams
from rootstock.part import FineTuneMethod, Keep, Rows, Start
from rootstock.records import Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Examples:
    """Labelled rows before anything is computed of them."""

    inputs: Sequence[Any]
    labels: NDArray[np.int64]
    """(n,) indices of classes"""


@dataclass(frozen=True)
class Pretrained:
    """A backbone that has learned a source domain."""

    encoder: Encoder
    accuracy: Measure
    """on the rows held out"""
    losses: tuple[float, ...]
    """mean training loss an epoch, nats a row"""
    parameters: int
    """of the encoder"""
    notes: tuple[str, ...]
    seconds: float


def pretraining_method(finetuning: FineTuningParams, evaluation: EvaluationParams) -> FineTuneMethod:
    """``finetuning.source`` where it trains every weight, else ``evaluation.scratch``: adapters beside random weights learn little.

    Raises ParamsError if neither is ``full``.
    """
    for method in (finetuning.source, evaluation.scratch):
        if method.name == "full":
            return method
    raise ParamsError(
        f"expected the method full in finetuning.source or evaluation.scratch to train every weight, found "
        f"{finetuning.source.name} and {evaluation.scratch.name}; name it in one of them"
    )


def pretrain(
    load: Callable[[], Encoder], method: FineTuneMethod, train: Examples, *, heldout: Examples, classes: int, seed: int, keep: Keep
) -> Pretrained:
    """Train what ``load`` gives on ``train``, then answer the ``heldout`` rows once: they choose nothing.

    Unfinished training is kept in ``keep.folder``, and goes on from there when the same is asked for again.
    """
    started = time.perf_counter()
    rows = Rows(train.inputs, train.labels, load().embed(train.inputs, "embedding with random weights"))
    fitted = method.fit(Start(load, classes, None, keep), rows, heldout=None, setting=None, seed=seed)
    if fitted.encoder is None:
        raise ParamsError(f"expected a method that trains the backbone, found {method.name}; name full in finetuning.source")
    answers = log_probabilities(fitted.encoder.embed(heldout.inputs, "embedding held-out rows"), fitted.head).argmax(axis=1)
    shutil.rmtree(keep.folder, ignore_errors=True)
    return Pretrained(
        fitted.encoder, _accuracy(answers == heldout.labels), fitted.losses,
        sum(weights.numel() for weights in fitted.encoder.model.parameters()), fitted.notes, time.perf_counter() - started,
    )  # fmt: skip


def save_backbone(folder: Path, encoder: Encoder, *, processor: Path, card: str) -> None:
    """Write config, weights as safetensors, the processor of folder ``processor``, and ``card`` as README.md; atomically."""
    with new_folder(folder) as draft:
        encoder.model.save_pretrained(draft, safe_serialization=True)
        encoder.modality.copy_processor(processor, draft)
        write_text(draft / "README.md", card)


def _accuracy(correct: NDArray[np.bool_]) -> Measure:
    """Share of rows with Wilson's 95% interval."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(int(correct.sum()), len(correct), method="wilson")
    return Measure(
        value=float(correct.mean()), low=float(low), high=float(high), n=len(correct), unit="share", higher_is_better=True
    )
