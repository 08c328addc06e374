"""Full fine-tuning: every weight moves."""

from __future__ import annotations

from typing import Literal

from rootstock.finetuning.loop import Optimisation, train
from rootstock.head import Head
from rootstock.part import FineTuneMethod, Fitted, Rows, Start


class Full(FineTuneMethod):
    """All weights of the backbone and a head that starts from the one learned before, or from zero."""

    name: Literal["full"] = "full"
    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    batch_rows: int
    epochs: int
    warmup_share: float

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
