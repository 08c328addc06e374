"""Adapt to the target: the better method by cross-validation on its labelled rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rootstock import processes
from rootstock.classifier import Classifier, read_card
from rootstock.finetuning.checkpoint import forget
from rootstock.finetuning.choose_method import Circumstances, choose_method
from rootstock.finetuning.crossvalidate import Option, OptionScore, row_losses, score_options, unseen_rows
from rootstock.finetuning.layers import layers_of
from rootstock.finetuning.pace import rows_per_second
from rootstock.finetuning.save import Lineage, save_model
from rootstock.finetuning.search import search_rates
from rootstock.finetuning.starts import Starts, find_starts
from rootstock.head import Head, log_probabilities, match_classes
from rootstock.params import BackboneParams, DataParams, FineTuningParams
from rootstock.part import EPOCHS, Fitted, Rows, Start
from rootstock.peak_memory import peak_mib
from rootstock.records import Curve, PreparedData, TrainedModel, TunedBackbone
from rootstock.rows import EncoderSource, groups_of


def finetune(
    prepared: PreparedData,
    tuned: TunedBackbone,
    *,
    data: DataParams,
    backbone: BackboneParams,
    finetuning: FineTuningParams,
    workspace: str,
    seed: int,
    folder: Path,
) -> TrainedModel:
    """Cross-validate every method from the tuned backbone, and from the same backbone alone as control; refit the best on all rows.

    Where labels of the source mean labels of the target, heads are drawn towards what was learned of them there.

    Epochs and penalties are chosen on held-out folds of the labelled rows; the test rows are not read. Where the start has
    already learned from some of the labelled rows (a champion), only the others are scored, the same for every option. Where models
    are measured on these very rows (``evaluation.rows: out_of_fold``), such a start is not taken at all.
    """
    started = time.perf_counter()
    starts = find_starts(prepared, tuned, data=data, backbone=backbone, finetuning=finetuning, workspace=workspace, folder=folder)
    options, rule = options_of(prepared, tuned, finetuning=finetuning, starts=starts)
    rows = options[0].rows
    eligible = unseen_rows(rows, starts.model)
    scores = score_options(options, folds=finetuning.folds, seed=seed, eligible=eligible)
    best, searched = scores[0], ""
    if finetuning.search is not None:
        best, searched = search_rates(best, search=finetuning.search, folds=finetuning.folds, seed=seed, eligible=eligible)
    fitted = best.option.method.fit(best.option.start, best.option.rows, heldout=None, setting=best.setting, seed=seed)
    parent = tuned.model if best.option.source else None
    pooling = read_card(Path(parent.path)).pooling if parent else backbone.pooling
    saved = save_model(
        folder / "model", fitted, labels=prepared.target.labels, modality=data.modality, name=prepared.target.name,
        inputs=rows.inputs, groups=groups_of(prepared.target, "train"), lineage=Lineage(tuned.backbone, pooling, parent),
        temperature=best.temperature,
    )  # fmt: skip
    forget(starts.keep.folder)
    return TrainedModel(
        model=saved,
        source=best.option.source,
        method=best.option.method.name,
        cross_validation=tuple(score.record for score in scores),
        reason="; ".join(said for said in (_reason(scores), rule, searched, starts.barred) if said),
        trainable_parameters=fitted.trainable_parameters,
        total_parameters=_parameters(best.option.start, fitted),
        curves=_curves(scores, fitted),
        settings=best.option.method.model_dump(mode="json"),
        notes=fitted.notes,
        seconds=time.perf_counter() - started,
        peak_mib=peak_mib(),
    )


def options_of(
    prepared: PreparedData, tuned: TunedBackbone, *, finetuning: FineTuningParams, starts: Starts
) -> tuple[list[Option], str]:
    """A method from a start each, and what a rule said of the method, if one was asked."""
    classes = prepared.target.labels
    begins: list[tuple[str | None, EncoderSource, Head | None]] = [(None, starts.bare, None)]
    if starts.transferred is not None and tuned.model is not None:
        folder = Path(tuned.model.path)
        wanted = [tuned.matched_labels.get(label, label) for label in classes]
        prior = match_classes(Classifier.load_head(folder), read_card(folder).labels, wanted)
        begins.insert(0, (tuned.source, starts.transferred, prior))
    bfloat16 = finetuning.precision == "auto"
    shared = [
        (
            source,
            Start(encoder.load, len(classes), prior, starts.keep, bfloat16, encoder.unlabelled(prepared.target)),
            encoder.rows(prepared.target, "train"),
        )
        for source, encoder, prior in begins
    ]
    methods, rule = finetuning.methods, ""
    if finetuning.choose == "auto":
        chosen = choose_method(methods, _circumstances(*shared[0][1:], budget_minutes=finetuning.budget_minutes))
        methods, rule = (chosen.method,), f"chosen by rule, {chosen.reason}"
    return [Option(method, source, start, rows) for source, start, rows in shared for method in methods], rule


def _circumstances(start: Start, rows: Rows, *, budget_minutes: float | None) -> Circumstances:
    import numpy as np

    carried = None
    if start.prior is not None:
        carried = float(row_losses(np.exp(log_probabilities(rows.features, start.prior)), rows.labels).mean())
    encoder = start.load()
    rate = None
    if budget_minutes is not None:
        rate = processes.agreed(rows_per_second(encoder, rows.inputs))
    return Circumstances(len(rows.labels), start.classes, carried, len(layers_of(encoder.model)), rate, budget_minutes)


def _reason(scores: Sequence[OptionScore]) -> str:
    best = scores[0]
    others = "; ".join(f"{score.option.name} {score.log_loss:.3f}" for score in scores[1:])
    return (
        f"{best.option.name} has the lowest cross-validated log loss, {best.log_loss:.3f} nats a row "
        f"(accuracy {best.record.accuracy.value:.3f}, n = {best.record.accuracy.n})" + (f", against {others}" if others else "")
    )


def _parameters(start: Start, fitted: Fitted) -> int:
    model = (fitted.encoder or start.load()).model
    body: int = sum(parameter.numel() for parameter in model.parameters())
    return body + fitted.head.numbers


def _curves(scores: Sequence[OptionScore], fitted: Fitted) -> tuple[Curve, ...]:
    heldout = tuple(
        Curve(
            name=f"held-out loss, {score.option.name}",
            unit="nats a row",
            x=tuple(sorted(score.heldout_losses)),
            y=tuple(score.heldout_losses[x] for x in sorted(score.heldout_losses)),
        )
        for score in scores
        if score.option.method.setting_unit == EPOCHS
    )
    epochs = tuple(float(epoch + 1) for epoch in range(len(fitted.losses)))
    return (*heldout, Curve(name="training loss, final fit", unit="nats a row", x=epochs, y=fitted.losses)) if epochs else heldout
