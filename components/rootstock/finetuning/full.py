"""Full fine-tuning: every weight moves."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from rootstock.finetuning.loop import Optimisation, train
from rootstock.head import Head
from rootstock.part import EPOCHS, FineTuneMethod, Fitted, Rows, Start


class Full(FineTuneMethod):
    """All weights of the backbone and a head that starts from the one learned before, or from zero."""

    name: Literal["full"] = "full"
    setting_unit: ClassVar[str] = EPOCHS
    learning_rate: PositiveFloat
    head_learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    batch_rows: PositiveInt
    epochs: PositiveInt
    warmup_share: Annotated[float, Field(ge=0, le=1)]

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """Train everything; the number of epochs is the setting to choose."""
        import numpy as np

        encoder = start.load()
        for parameter in encoder.model.parameters():
            parameter.requires_grad_(True)
        head = start.prior or Head(np.zeros((start.classes, rows.features.shape[1])), np.zeros(start.classes))
        steps = Optimisation(
            self.learning_rate, self.head_learning_rate, self.weight_decay, self.batch_rows, self.epochs,
            int(setting) if setting is not None else self.epochs, self.warmup_share, seed,
        )  # fmt: skip
        return train(encoder, rows, head=head, heldout=heldout, optimisation=steps, label="full fine-tuning")
