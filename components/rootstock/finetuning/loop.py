"""The one training loop."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rootstock.errors import InputError
from rootstock.finetuning.checkpoint import Checkpoint, Stop
from rootstock.head import Head, scaled
from rootstock.part import Fitted, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.backbone import Encoder

#: Batches are cut from this many batches' worth of rows sorted by length: little padding, and still a random order.
SORTED_BATCHES = 32
GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class Optimisation:
    """How to step."""

    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    batch_rows: int
    epochs: int
    """of the schedule: the rate falls to zero at its end"""
    stop_after: int
    """epochs really trained, at most ``epochs``"""
    warmup_share: float
    seed: int
    label_smoothing: float
    balanced: bool
    """whether each class counts the same, however many rows it has"""
    patience: int | None
    """epochs without a lower held-out loss after which training ends, at the weights of the lowest; None never ends early"""


@dataclass(frozen=True)
class Group:
    """Parameters of the encoder that are trained alike."""

    parameters: tuple[Any, ...]
    rate: float = 1.0
    """times the learning rate"""
    from_epoch: int = 0
    """frozen before"""


@dataclass
class _Progress:
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


def train(
    encoder: Encoder,
    rows: Rows,
    *,
    head: Head,
    heldout: Rows | None,
    optimisation: Optimisation,
    label: str,
    groups: Sequence[Group] | None = None,
    inputs_of: Callable[[int], Sequence[Any]] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Train the encoder's parameters that require gradients, and a linear head on features of unit length.

    ``head`` is what the head starts from, ``groups`` (all parameters alike, if None) how the encoder's are stepped; ``inputs_of``
    gives the inputs of an epoch where they are changed at random. Rows of ``heldout`` are predicted after every epoch.

    With a ``checkpoint``, training that was stopped goes on where it was: on a CPU its weights are then, bit for bit, those of
    training that was not. A batch that does not fit into memory is computed in halves. When the loss is no longer finite, training
    ends with the weights of the last whole epoch, and says so in ``notes``; raises InputError with step and rate if there is none.
    """
    import torch

    torch.manual_seed(optimisation.seed)
    run = _Training(encoder, rows, head=head, heldout=heldout, optimisation=optimisation, label=label, groups=groups)
    if checkpoint is not None and (kept := checkpoint.read()) is not None:
        run.resume(kept)
    stop = Stop()
    with stop.listening(wanted=checkpoint is not None), run.progress_bar() as bar:
        while run.at.epoch < optimisation.stop_after and not run.over:
            inputs = inputs_of(run.at.epoch) if inputs_of is not None else rows.inputs
            for loss_known in run.epoch(inputs):
                bar.update(loss_known)
                if checkpoint is not None and (stop.asked or checkpoint.due()):
                    checkpoint.write(run.state())
                    stop.obey()
            bar.set_postfix(loss=f"{run.at.losses[-1]:.3f}" if run.at.losses else "")
        if checkpoint is not None:
            checkpoint.write(run.state() | {"optimizer": None})  # a stop from here on finds it finished
    return run.fitted()


class _Training:
    """The state of one training."""

    def __init__(
        self, encoder: Encoder, rows: Rows, *, head: Head, heldout: Rows | None, optimisation: Optimisation, label: str,
        groups: Sequence[Group] | None,
    ) -> None:  # fmt: skip
        import numpy as np
        import torch

        self.encoder, self.rows, self.heldout, self.steps, self.label = encoder, rows, heldout, optimisation, label
        model = encoder.model
        self.layer = _linear(head, model.device)
        self.groups = tuple(groups or (Group(tuple(p for p in model.parameters() if p.requires_grad)),))
        self.body = [parameter for group in self.groups for parameter in group.parameters]
        rates = [optimisation.learning_rate * group.rate for group in self.groups]
        self.optimizer = torch.optim.AdamW(
            [
                *({"params": list(group.parameters), "lr": rate} for group, rate in zip(self.groups, rates, strict=True)),
                {"params": list(self.layer.parameters()), "lr": optimisation.head_learning_rate},
            ],
            weight_decay=optimisation.weight_decay,
        )
        steps = math.ceil(len(rows.labels) / optimisation.batch_rows) * optimisation.epochs
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: _rate(step, steps, optimisation.warmup_share)
        )
        self.labels = torch.tensor(rows.labels, device=model.device)  # a copy: features and labels may be read-only
        counts = np.bincount(rows.labels, minlength=len(head.bias))
        shares = len(rows.labels) / np.maximum(counts * np.count_nonzero(counts), 1)
        self.class_weights = torch.tensor(shares, dtype=torch.float32, device=model.device) if optimisation.balanced else None
        self.piece_rows = optimisation.batch_rows
        self.at = _Progress()
        self.over = False
        self.predicted: dict[float, NDArray[np.float64]] = {}
        self.notes: tuple[str, ...] = ()
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
        cut = _shuffled_batches(self.encoder, replace(self.rows, inputs=inputs), self.steps, self.at.epoch)
        for indices in cut[self.at.batch :]:
            loss = self._step(inputs, indices)
            if not math.isfinite(loss):
                self._diverged(loss)
                return
            self.at.total += loss * len(indices)
            self.at.batch += 1
            if self.at.batch == len(cut):
                self._end_epoch()
            yield len(indices)

    def _step(self, inputs: Sequence[Any], indices: NDArray[np.int64]) -> float:
        """One step on a batch, in pieces that fit into memory; gives its mean loss."""
        import torch

        while True:
            random = torch.get_rng_state()
            try:
                loss = self._gradients(inputs, indices)
                break
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or self.piece_rows == 1:
                    raise
                self.piece_rows = max(1, min(self.piece_rows, len(indices)) // 2)
                torch.set_rng_state(random)
                self._note(
                    f"{self.label}: out of memory; batches of {self.steps.batch_rows} rows are computed {self.piece_rows} at a time"
                )
        if math.isfinite(loss):
            torch.nn.utils.clip_grad_norm_([*self.body, *self.layer.parameters()], GRADIENT_NORM)
            self.optimizer.step()
            self.schedule.step()
        return loss

    def _gradients(self, inputs: Sequence[Any], indices: NDArray[np.int64]) -> float:
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for start in range(0, len(indices), self.piece_rows):
            piece = indices[start : start + self.piece_rows]
            tensors = self.encoder.modality.tensors([inputs[i] for i in piece], self.encoder.processor)
            scores = _scores(self.encoder, self.layer, tensors)
            smoothing = self.steps.label_smoothing
            losses = torch.nn.functional.cross_entropy(
                scores, self.labels[piece], weight=self.class_weights, label_smoothing=smoothing, reduction="none"
            )
            loss = losses.sum() / len(indices)
            total += float(loss.item())
            if not math.isfinite(total):
                return total
            loss.backward()  # type: ignore[no-untyped-call]
        return total

    def _end_epoch(self) -> None:
        self.at.losses = (*self.at.losses, self.at.total / len(self.rows.labels))
        self.at.epoch, self.at.batch, self.at.total = self.at.epoch + 1, 0, 0.0
        better = True
        if self.heldout is not None:
            said = _probabilities(self.encoder, self.layer, self.heldout)
            self.predicted[float(self.at.epoch)] = said
            if self.steps.patience is not None:
                better = self._is_better(said)
        if better:
            self._whole_epoch = [parameter.detach().clone() for parameter in self._trained()]

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
            f"{self.label}: the loss is {loss} at step {self.at.batch} of epoch {self.at.epoch + 1} with learning_rate "
            f"{self.steps.learning_rate}"
        )
        if self._whole_epoch is None:
            raise InputError(f"{said}; lower finetuning's learning_rate")
        self._note(f"{said}; the weights of epoch {self.at.epoch} are kept; lower finetuning's learning_rate")
        self.over = True

    def _note(self, said: str) -> None:
        from tqdm import tqdm

        self.notes = (*self.notes, said)
        tqdm.write(said, file=sys.stderr)

    def _trained(self) -> list[Any]:
        return [*self.body, *self.layer.parameters()]

    def fitted(self) -> Fitted:
        """What came of it, at the weights that count."""
        import torch

        if self._whole_epoch is not None and (self.over or self.steps.patience is not None):
            with torch.no_grad():
                for parameter, kept in zip(self._trained(), self._whole_epoch, strict=True):
                    parameter.copy_(kept)
        for parameter in self.body:
            parameter.requires_grad_(True)
        self.encoder.model.eval()
        weight, bias = (tensor.detach().double().cpu().numpy() for tensor in (self.layer.weight, self.layer.bias))
        trainable = sum(parameter.numel() for parameter in self._trained())
        return Fitted(Head(weight, bias), self.encoder, self.predicted, self.at.losses, trainable, self.notes)

    def state(self) -> dict[str, Any]:
        """All that ``resume`` needs, in types that load without running code."""
        import torch

        return {
            "trained": [parameter.detach().clone() for parameter in self._trained()],
            "buffers": [buffer.clone() for buffer in self.encoder.model.buffers()],
            "whole_epoch": self._whole_epoch,
            "optimizer": self.optimizer.state_dict(),
            "steps": self.schedule.last_epoch,
            "random": [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ())],
            "at": vars(self.at),
            "over": self.over,
            "predicted": {epoch: torch.from_numpy(said) for epoch, said in self.predicted.items()},
            "piece_rows": self.piece_rows,
            "notes": self.notes,
        }

    def resume(self, kept: dict[str, Any]) -> None:
        """Go on from a ``state``."""
        import torch

        with torch.no_grad():
            for parameter, value in zip(self._trained(), kept["trained"], strict=True):
                parameter.copy_(value)
            for buffer, value in zip(self.encoder.model.buffers(), kept["buffers"], strict=True):
                buffer.copy_(value)
        if kept["optimizer"] is not None:
            self.optimizer.load_state_dict(kept["optimizer"])
        self.schedule.last_epoch = kept["steps"]
        torch.set_rng_state(kept["random"][0])
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all(kept["random"][1:])
        self._whole_epoch = kept["whole_epoch"]
        self.at = _Progress(**{**kept["at"], "losses": tuple(kept["at"]["losses"])})
        self.over, self.piece_rows, self.notes = kept["over"], kept["piece_rows"], tuple(kept["notes"])
        self.predicted = {epoch: said.numpy() for epoch, said in kept["predicted"].items()}


def _out_of_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error)


def _linear(head: Head, where: Any) -> Any:
    import torch

    layer = torch.nn.Linear(head.weight.shape[1], head.weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weight))
        layer.bias.copy_(torch.from_numpy(head.bias))
    return layer.to(where)


def _rate(step: int, steps: int, warmup_share: float) -> float:
    """Linear warm-up, then linear decay to zero; a share of the peak rate."""
    warmup = max(1, round(steps * warmup_share))
    return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))


def _shuffled_batches(encoder: Encoder, rows: Rows, optimisation: Optimisation, epoch: int) -> list[NDArray[np.int64]]:
    import numpy as np

    random = np.random.default_rng((optimisation.seed, epoch))
    order = random.permutation(len(rows.labels))
    lengths = encoder.modality.lengths(rows.inputs, encoder.processor)
    size = optimisation.batch_rows
    chunks = [order[i : i + size * SORTED_BATCHES] for i in range(0, len(order), size * SORTED_BATCHES)]
    cut = [chunk[np.argsort(lengths[chunk], kind="stable")][i : i + size] for chunk in chunks for i in range(0, len(chunk), size)]
    return [cut[place] for place in random.permutation(len(cut))]


def _scores(encoder: Encoder, layer: Any, tensors: dict[str, Any]) -> Any:
    import torch

    return layer(torch.nn.functional.normalize(encoder.features(tensors).float(), dim=1))


def _probabilities(encoder: Encoder, layer: Any, rows: Rows) -> NDArray[np.float64]:
    import numpy as np
    import torch

    embeddings = torch.from_numpy(scaled(encoder.embed(rows.inputs))).float().to(encoder.model.device)
    with torch.inference_mode():
        return np.asarray(layer(embeddings).softmax(dim=1).double().cpu().numpy())
