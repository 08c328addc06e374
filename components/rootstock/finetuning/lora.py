"""LoRA: low-rank adapters beside frozen weights (Hu et al. 2022, arXiv 2106.09685)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from rootstock.backbone import Encoder
from rootstock.errors import ParamsError
from rootstock.finetuning.frozen_prefix import split_encoder, through_prefix
from rootstock.finetuning.loop import Optimisation, train
from rootstock.head import Head, logistic_head
from rootstock.part import EPOCHS, FineTuneMethod, Fitted, Rows, Start


class Lora(FineTuneMethod):
    """Low-rank adapters in the named modules, and a head that starts from a linear probe (LP-FT, Kumar et al. 2022)."""

    name: Literal["lora"] = "lora"
    setting_unit: ClassVar[str] = EPOCHS
    rank: PositiveInt
    alpha: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1)]
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    last_layers: PositiveInt | None
    """adapters go into so many of the last layers, and gradients stop below them; null takes all"""
    learning_rate: PositiveFloat
    head_learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    batch_rows: PositiveInt
    epochs: PositiveInt
    warmup_share: Annotated[float, Field(ge=0, le=1)]
    probe_regularisation: PositiveFloat | None
    """inverse penalty of the probe that the head starts from; null starts from the head learned before, or zero"""

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """Train adapters and head; the number of epochs is the setting to choose."""
        import torch
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(seed)
        encoder = start.load()
        depth = int(getattr(encoder.model.config, "num_hidden_layers", 0))
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=list(self.target_modules),
            layers_to_transform=list(range(max(0, depth - self.last_layers), depth)) if self.last_layers else None,
            bias="none",
        )
        try:
            adapted = get_peft_model(encoder.model, config)
        except ValueError as error:
            raise ParamsError(
                f"finetuning: target_modules {list(self.target_modules)} match nothing that takes an adapter in this backbone; "
                f"it has {', '.join(_weighted(encoder.model))}"
            ) from error
        head = self._first_head(start, rows)
        steps = Optimisation(
            self.learning_rate, self.head_learning_rate, self.weight_decay, self.batch_rows, self.epochs,
            int(setting) if setting is not None else self.epochs, self.warmup_share, seed,
        )  # fmt: skip
        changed = type(encoder)(adapted, encoder.processor, encoder.modality, encoder.pooling, encoder.batch_rows)
        below = depth - self.last_layers if self.last_layers else 0
        return _train_above(changed, below, rows, head=head, heldout=heldout, optimisation=steps)

    def _first_head(self, start: Start, rows: Rows) -> Head:
        import numpy as np

        if self.probe_regularisation is None:
            return start.prior or Head(np.zeros((start.classes, rows.features.shape[1])), np.zeros(start.classes))
        return logistic_head(
            rows.features, rows.labels, classes=start.classes, inverse_penalty=self.probe_regularisation, prior=start.prior
        )


def _train_above(
    adapted: Encoder, below: int, rows: Rows, *, head: Head, heldout: Rows | None, optimisation: Optimisation
) -> Fitted:
    """Train with what lies below the first adapter computed once, where the backbone can be cut there."""
    whole = replace(adapted, model=adapted.model.base_model.model)
    parts = split_encoder(whole, below)
    states = through_prefix(parts[0], rows, label="frozen layers") if parts else None
    held = through_prefix(parts[0], heldout, label="frozen layers") if parts and heldout is not None else None
    if parts is None or states is None or (heldout is not None and held is None):
        return train(adapted, rows, head=head, heldout=heldout, optimisation=optimisation, label="LoRA")
    fitted = train(parts[1], states, head=head, heldout=held, optimisation=optimisation, label="LoRA")
    adapted.model.eval()
    return replace(fitted, encoder=adapted)


def _weighted(model: Any) -> list[str]:
    """Last names of the modules with a weight matrix, the ones that an adapter can stand beside."""
    modules = ((name.rsplit(".", 1)[-1], getattr(part, "weight", None)) for name, part in model.named_modules())
    return sorted({name for name, weight in modules if weight is not None and weight.dim() > 1})
