"""One step on one batch: its gradients, in pieces that fit into memory and by all processes, then the optimizer's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rootstock import processes
from rootstock.finetuning.batch_statistics import normalisations, running_statistics, set_statistics
from rootstock.finetuning.head_layer import scores
from rootstock.finetuning.optimisation import Group, Optimisation, new_optimizer, new_schedule
from rootstock.finetuning.precision import forward_in_bfloat16
from rootstock.finetuning.shared_gradients import sum_gradients
from rootstock.on_demand import chosen
from rootstock.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.encoder import Encoder

GRADIENT_NORM = 1.0

#: Asks a process between two steps: whether it was told to stop, whether a checkpoint is due.
Questions = Callable[[], tuple[bool, bool]]


class Stepper:
    """Optimizer and schedule, with the loss that they lower."""

    def __init__(
        self, encoder: Encoder, layer: Any, labels: NDArray[np.int64], *, groups: Sequence[Group], optimisation: Optimisation,
        note: Callable[[str], None], questions: Questions, bfloat16: bool,
    ) -> None:  # fmt: skip
        import torch

        self.encoder, self.layer, self.steps, self._note, self._questions = encoder, layer, optimisation, note, questions
        self._heard, self._bfloat16 = (False, False), bfloat16
        self.trained = [*(parameter for group in groups for parameter in group.parameters), *layer.parameters()]
        self.optimizer = new_optimizer(groups, layer, optimisation)
        self.schedule = new_schedule(self.optimizer, optimisation, rows=len(labels))
        device = encoder.model.device
        self.labels = torch.tensor(labels, device=device)  # a copy: features and labels may be read-only
        self.class_weights = _class_weights(labels, len(layer.bias), device) if optimisation.balanced else None
        self.normalisations = normalisations(encoder.model)
        self.piece_rows, self._on_gpu = optimisation.batch_rows, device.type == "cuda"

    def step(self, inputs: Sequence[Any], indices: NDArray[np.int64]) -> float:
        """One step on the rows of these indices; gives their mean loss. Nothing moves where that is not finite."""
        import torch

        while True:
            random, on_gpu = torch.get_rng_state(), torch.cuda.get_rng_state() if self._on_gpu else None
            loss, out_of_memory = self._shared(*self._attempt(inputs, indices), rows=len(indices))
            if not out_of_memory:
                break
            largest = math.ceil(len(indices) / processes.count())
            self.piece_rows = max(1, min(self.piece_rows, largest) // 2)
            torch.set_rng_state(random)
            if on_gpu is not None:
                torch.cuda.set_rng_state(on_gpu)
            each = " in each process" if processes.count() > 1 else ""
            self._note(f"out of memory; batches of {self.steps.batch_rows} rows are computed {self.piece_rows} at a time{each}")
        if math.isfinite(loss):
            torch.nn.utils.clip_grad_norm_(self.trained, GRADIENT_NORM)
            self.optimizer.step()
            self.schedule.step()
        return loss

    def answers(self) -> tuple[bool, bool]:
        """Of any process to the questions; of several, as they were when the last step's gradients were summed."""
        return self._heard if processes.count() > 1 else self._questions()

    def _attempt(self, inputs: Sequence[Any], indices: NDArray[np.int64]) -> tuple[float, bool]:
        """The loss, and whether memory was too small for it."""
        import torch

        try:
            return self.gradients(inputs, indices), False
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or self.piece_rows == 1:
                raise
            return 0.0, True

    def _shared(self, loss: float, out_of_memory: bool, *, rows: int) -> tuple[float, bool]:
        """The same of all processes, whose gradients are summed."""
        if processes.count() == 1:
            return loss, out_of_memory
        loss, short, *heard = sum_gradients(
            self.trained, (loss, out_of_memory, *self._questions()), statistics=running_statistics(self.normalisations),
            moved=rows > processes.count() + processes.rank(),
        )  # fmt: skip
        self._heard = bool(heard[0]), bool(heard[1])
        return loss, bool(short)

    def gradients(self, inputs: Sequence[Any], indices: NDArray[np.int64]) -> float:
        """Leave the gradients of this process's share of the mean loss with the parameters; gives that share."""
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        mine = processes.share(indices)
        for start in range(0, len(mine), self.piece_rows):
            piece = mine[start : start + self.piece_rows]
            set_statistics(self.normalisations, rows=len(piece))
            tensors = self.encoder.modality.tensors(chosen(inputs, piece), self.encoder.processor)
            with forward_in_bfloat16(self.labels.device.type, wanted=self._bfloat16):
                said = scores(self.encoder, self.layer, tensors)
            losses = torch.nn.functional.cross_entropy(
                said.float(), self.labels[piece], weight=self.class_weights, label_smoothing=self.steps.label_smoothing,
                reduction="none",
            )  # fmt: skip
            loss = losses.sum() / len(indices)
            total += float(loss.item())
            if not math.isfinite(total):
                return total
            loss.backward()  # type: ignore[no-untyped-call]
        return total


def _class_weights(labels: NDArray[np.int64], classes: int, device: Any) -> Any:
    """(c,) by which each class counts the same; their mean over rows is 1."""
    import numpy as np
    import torch

    counts = np.bincount(labels, minlength=classes)
    shares = len(labels) / np.maximum(counts * np.count_nonzero(counts), 1)
    return torch.tensor(shares, dtype=torch.float32, device=device)
