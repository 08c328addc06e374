"""One training: where it stands, what of it is kept, what comes of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rootstock import processes
from rootstock.errors import InputError
from rootstock.finetuning.batches import shuffled_batches
from rootstock.finetuning.head_layer import as_head, as_layer, shared_probabilities
from rootstock.finetuning.optimisation import Group, Optimisation
from rootstock.finetuning.stepper import Questions, Stepper
from rootstock.part import Fitted, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.encoder import Encoder
    from rootstock.head import Head


@dataclass
class Progress:
    """Where training stands."""

    epoch: int = 0
    batch: int = 0
    """of the epoch, already done"""
    total: float = 0.0
    """sum of the epoch's losses so far"""
    losses: tuple[float, ...] = ()
    best: float = math.inf
    since: int = 0
    """epochs since the lowest held-out loss"""


class Training:
    """Trains epoch by epoch; ``state`` and ``resume`` carry it over to another process."""

    def __init__(
        self, encoder: Encoder, rows: Rows, *, head: Head, heldout: Rows | None, optimisation: Optimisation, label: str,
        groups: Sequence[Group] | None, questions: Questions, bfloat16: bool,
    ) -> None:  # fmt: skip
        self.encoder, self.rows, self.heldout, self.steps, self.label = encoder, rows, heldout, optimisation, label
        self.layer = as_layer(head, encoder.model.device)
        self.groups = tuple(groups or (Group(tuple(p for p in encoder.model.parameters() if p.requires_grad)),))
        self.stepper = Stepper(
            encoder, self.layer, rows.labels, groups=self.groups, optimisation=optimisation, note=self._note, questions=questions,
            bfloat16=bfloat16,
        )  # fmt: skip
        self.at = Progress()
        self.over = False
        self.predicted: dict[float, NDArray[np.float64]] = {}
        self.notes: tuple[str, ...] = ()
        if processes.count() > 1:
            self.notes = (f"{label}: trained by {processes.count()} processes",)
        self._whole_epoch: list[Any] | None = None

    def progress_bar(self) -> Any:
        """Rows done of all epochs, with rate and remaining time, on a terminal."""
        from tqdm import tqdm

        batches = math.ceil(len(self.rows.labels) / self.steps.batch_rows)
        done = self.at.epoch * len(self.rows.labels) + round(len(self.rows.labels) * self.at.batch / batches)
        total = self.steps.stop_after * len(self.rows.labels)
        return tqdm(total=total, initial=done, desc=self.label, unit="row", disable=None, leave=False, file=sys.stderr)

    def epoch(self, inputs: Sequence[Any]) -> Iterator[int]:
        """Train one epoch, or what is left of it; gives the rows of each step after it."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.requires_grad_(self.at.epoch >= group.from_epoch)
        self.encoder.model.train()
        changed = replace(self.rows, inputs=inputs)
        cut = shuffled_batches(
            self.encoder, changed, batch_rows=self.steps.batch_rows, seed=self.steps.seed, epoch=self.at.epoch
        )  # fmt: skip
        for indices in cut[self.at.batch :]:
            loss = self.stepper.step(inputs, indices)
            if not math.isfinite(loss):
                self._diverged(loss)
                return
            self.at.total += loss * len(indices)
            self.at.batch += 1
            if self.at.batch == len(cut):
                self._end_epoch()
            yield len(indices)

    def _end_epoch(self) -> None:
        self.at.losses = (*self.at.losses, self.at.total / len(self.rows.labels))
        self.at.epoch, self.at.batch, self.at.total = self.at.epoch + 1, 0, 0.0
        better = True
        if self.heldout is not None:
            said = shared_probabilities(self.encoder, self.layer, self.heldout)
            self.predicted[float(self.at.epoch)] = said
            if self.steps.patience is not None:
                better = self._is_better(said)
        if better:
            self._whole_epoch = [parameter.detach().clone() for parameter in self.stepper.trained]

    def _is_better(self, said: NDArray[np.float64]) -> bool:
        import numpy as np

        assert self.heldout is not None
        loss = float(-np.log(np.maximum(said[np.arange(len(said)), self.heldout.labels], 1e-12)).mean())
        better = loss < self.at.best
        self.at.best, self.at.since = (loss, 0) if better else (self.at.best, self.at.since + 1)
        self.over = not better and self.steps.patience is not None and self.at.since >= self.steps.patience
        return better

    def _diverged(self, loss: float) -> None:
        said = (
            f"the loss is {loss} at step {self.at.batch} of epoch {self.at.epoch + 1} with learning_rate {self.steps.learning_rate}"
        )
        if self._whole_epoch is None:
            raise InputError(f"{self.label}: {said}; lower finetuning's learning_rate")
        self._note(f"{said}; the weights of epoch {self.at.epoch} are kept; lower finetuning's learning_rate")
        self.over = True

    def _note(self, said: str) -> None:
        from tqdm import tqdm

        self.notes = (*self.notes, f"{self.label}: {said}")
        if processes.is_first():
            tqdm.write(self.notes[-1], file=sys.stderr)

    def fitted(self) -> Fitted:
        """What came of it, at the weights that count."""
        import torch

        if self._whole_epoch is not None and (self.over or self.steps.patience is not None):
            with torch.no_grad():
                for parameter, kept in zip(self.stepper.trained, self._whole_epoch, strict=True):
                    parameter.copy_(kept)
        for parameter in self.stepper.trained:
            parameter.requires_grad_(True)
        self.encoder.model.eval()
        trainable = sum(parameter.numel() for parameter in self.stepper.trained)
        return Fitted(as_head(self.layer), self.encoder, self.predicted, self.at.losses, trainable, self.notes)

    def state(self) -> dict[str, Any]:
        """All that ``resume`` needs, in types that load without running code; the same of every process."""
        import torch

        return {
            "trained": [parameter.detach().clone() for parameter in self.stepper.trained],
            "buffers": [buffer.clone() for buffer in self.encoder.model.buffers()],
            "whole_epoch": self._whole_epoch,
            "optimizer": self.stepper.optimizer.state_dict(),
            "steps": self.stepper.schedule.last_epoch,
            "random": processes.gathered([torch.get_rng_state(), *([torch.cuda.get_rng_state()] if self._on_gpu else [])]),
            "at": vars(self.at),
            "over": self.over,
            "predicted": {epoch: torch.from_numpy(said) for epoch, said in self.predicted.items()},
            "piece_rows": self.stepper.piece_rows,
            "notes": self.notes,
        }

    def resume(self, kept: dict[str, Any]) -> None:
        """Go on from a ``state``."""
        import torch

        with torch.no_grad():
            for parameter, value in zip(self.stepper.trained, kept["trained"], strict=True):
                parameter.copy_(value)
            for buffer, value in zip(self.encoder.model.buffers(), kept["buffers"], strict=True):
                buffer.copy_(value)
        if kept["optimizer"] is not None:
            self.stepper.optimizer.load_state_dict(kept["optimizer"])
        self.stepper.schedule.last_epoch = kept["steps"]
        self._whole_epoch = kept["whole_epoch"]
        self.at = Progress(**{**kept["at"], "losses": tuple(kept["at"]["losses"])})
        self.over, self.stepper.piece_rows, self.notes = kept["over"], kept["piece_rows"], tuple(kept["notes"])
        self.predicted = {epoch: said.numpy() for epoch, said in kept["predicted"].items()}
        if not self.is_done:
            self._draw_on(kept["random"])

    @property
    def is_done(self) -> bool:
        """Whether no epoch is left."""
        return self.over or self.at.epoch >= self.steps.stop_after

    @property
    def _on_gpu(self) -> bool:
        return bool(self.encoder.model.device.type == "cuda")

    def _draw_on(self, random: Sequence[Sequence[Any]]) -> None:
        """Go on from the random state that this process had; anew where there were more or fewer processes."""
        import torch

        if len(random) != processes.count():
            torch.manual_seed(processes.own_seed(self.steps.seed, self.at.epoch, self.at.batch))
            self._note(f"goes on with {processes.count()} instead of {len(random)} processes, with dropout masks drawn anew")
            return
        own, *on_gpu = random[processes.rank()]
        torch.set_rng_state(own)
        if self._on_gpu and on_gpu:
            torch.cuda.set_rng_state(on_gpu[0])
