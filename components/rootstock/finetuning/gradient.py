"""What methods that train by gradient have in common: which weights move is all that a method has to say."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from rootstock import processes
from rootstock.classifier import input_hash
from rootstock.encoder import Encoder
from rootstock.errors import RootstockError
from rootstock.files import sha256_of_json
from rootstock.finetuning.augment import augmented, check_augmentations
from rootstock.finetuning.checkpoint import Checkpoint
from rootstock.finetuning.frozen_prefix import split_encoder
from rootstock.finetuning.hidden_states import through_prefix
from rootstock.finetuning.loop import train
from rootstock.finetuning.optimisation import Group, Optimisation
from rootstock.finetuning.pixels import decoded_once, to_be_changed
from rootstock.finetuning.precision import bfloat16_pays, frozen_in_bfloat16
from rootstock.finetuning.quick_dropout import quick_dropout
from rootstock.finetuning.quick_layers import quick_layers
from rootstock.head import Head, logistic_head
from rootstock.part import EPOCHS, AugmentationPart, FineTuneMethod, Fitted, Rows, Start

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Below all layers: what is seen of images, and what is changed of them before that.
PIXELS, TO_BE_CHANGED = 0, -1
AUGMENTED = "augmentations change the inputs"
NO_CUT = "this backbone cannot be cut above them"
NO_ROOM = "what they give fits not onto the disk of the temporary folder, or not into half precision; TMPDIR names another folder"


@dataclass(frozen=True)
class Adapted:
    """An encoder of which some weights will be trained: those that require a gradient."""

    encoder: Encoder
    layers_below: int
    """of the encoder, from the first, that stay as they are with all before them"""
    groups: tuple[Group, ...] | None = None
    """how they are stepped, if not all alike"""
    inner: Any = field(default=None)
    """the backbone itself, where the encoder's model wraps it"""


class GradientMethod(FineTuneMethod):
    """Trains some of the backbone's weights and a linear head by AdamW with linear warm-up and decay."""

    setting_unit: ClassVar[str] = EPOCHS
    in_bfloat16: ClassVar[bool] = False
    """whether what is frozen can be held in bfloat16: no layer mixes it with what is trained"""
    learning_rate: PositiveFloat
    head_learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    batch_rows: PositiveInt
    epochs: PositiveInt
    warmup_share: Annotated[float, Field(ge=0, le=1)]
    probe_regularisation: PositiveFloat | None
    """inverse penalty of the linear probe that the head starts from (LP-FT, Kumar et al. 2022, arXiv 2202.10054); null starts from
    the head learned before, or zero"""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    class_weights: Literal["equal", "balanced"]
    """balanced: each class counts the same, however many rows it has"""
    patience: PositiveInt | None
    """epochs without a lower held-out loss after which cross-validation ends a fit; null never does"""
    augmentations: tuple[AugmentationPart, ...]
    """changes of the inputs at random, others every epoch; with any, frozen layers are computed anew each time"""

    @abstractmethod
    def adapt(self, encoder: Encoder) -> Adapted:
        """Say which weights of a fresh ``encoder`` move. Raises ParamsError if the backbone has none such."""

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """Train; the number of epochs is the setting to choose. Rows may come without features, as (n, 0)."""
        import torch

        torch.manual_seed(seed)
        encoder = start.load()
        check_augmentations(self.augmentations, modality=encoder.modality.name)
        for parameter in encoder.model.parameters():
            parameter.requires_grad_(False)
        adapted = self.adapt(encoder)
        steps = Optimisation(
            self.learning_rate, self.head_learning_rate, self.weight_decay, self.batch_rows, self.epochs,
            int(setting) if setting is not None else self.epochs, self.warmup_share, seed, self.label_smoothing,
            self.class_weights == "balanced", self.patience,
        )  # fmt: skip
        checkpoint = self._checkpoint(start, rows, heldout=heldout, setting=setting, seed=seed)
        parts = self._cut(adapted, rows)
        wanted = start.bfloat16 and self.in_bfloat16 and _pays(encoder.model)
        wanted = wanted and processes.agreed(_runs_in_bfloat16(adapted.encoder, parts, rows))
        with frozen_in_bfloat16(encoder.model, wanted=wanted), quick_dropout(encoder.model), quick_layers(encoder.model):
            trained = self._above_the_frozen(adapted, parts, start, rows, heldout=heldout)
            fitted = train(
                trained.encoder, trained.rows, head=self._first_head(start, trained), heldout=trained.heldout, optimisation=steps,
                label=self.name, groups=adapted.groups, checkpoint=checkpoint,
                inputs_of=self._changed(start, encoder, rows, seed=seed) if self.augmentations else None, bfloat16=start.bfloat16,
            )  # fmt: skip
        adapted.encoder.model.eval()
        return replace(fitted, encoder=adapted.encoder, notes=(*trained.notes, *fitted.notes))

    def _changed(self, start: Start, encoder: Encoder, rows: Rows, *, seed: int) -> Callable[[int], Sequence[Any]]:
        inputs = to_be_changed(encoder, rows, known=start.states.setdefault(TO_BE_CHANGED, {}))
        return lambda epoch: augmented(self.augmentations, inputs, seed=seed, epoch=epoch)

    def _cut(self, adapted: Adapted, rows: Rows) -> tuple[Encoder, Encoder] | None:
        """Below and above what is trained; None where inputs change every epoch, or the backbone cannot be cut there."""
        if self.augmentations:
            return None
        whole = adapted.encoder
        inner = whole if adapted.inner is None else replace(whole, model=adapted.inner)
        return split_encoder(inner, adapted.layers_below, rows.inputs)

    def _above_the_frozen(
        self, adapted: Adapted, parts: tuple[Encoder, Encoder] | None, start: Start, rows: Rows, *, heldout: Rows | None
    ) -> _Trained:
        if parts is None:
            anew = self._anew(AUGMENTED if self.augmentations else NO_CUT) if adapted.layers_below else ()
            whole = adapted.encoder, rows, heldout
            read = decoded_once(*whole, known=start.states.setdefault(PIXELS, {}), rows_change=bool(self.augmentations))
            return _Trained(*(read or whole), anew)
        known = start.states.setdefault(adapted.layers_below, {})
        states = through_prefix(parts[0], rows, label="frozen layers", known=known)
        held = through_prefix(parts[0], heldout, label="frozen layers", known=known) if heldout is not None else None
        if states is None or (heldout is not None and held is None):
            return _Trained(adapted.encoder, rows, heldout, self._anew(NO_ROOM))
        return _Trained(parts[1], states, held)

    def _anew(self, why: str) -> tuple[str, ...]:
        return (f"{self.name}: frozen layers are computed anew every epoch, as {why}",)

    def _first_head(self, start: Start, trained: _Trained) -> Head:
        """Rows without features (n, 0) get them here, from hidden states where those are known: one pass for both."""
        import numpy as np

        features, inputs, labels = trained.rows.features, trained.rows.inputs, trained.rows.labels
        if self.probe_regularisation is None:
            width = features.shape[1] or trained.encoder.embed(inputs[:1]).shape[1]
            return start.prior or Head(np.zeros((start.classes, width)), np.zeros(start.classes))
        features = features if features.shape[1] else trained.encoder.embed(inputs, "embedding")
        return logistic_head(features, labels, classes=start.classes, inverse_penalty=self.probe_regularisation, prior=start.prior)

    def _checkpoint(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Checkpoint | None:
        """Named by all that the training depends on."""
        if start.keep is None:
            return None
        key = sha256_of_json([
            self.model_dump(mode="json"), start.classes, setting, seed, start.bfloat16, _content(rows),
            _content(heldout) if heldout is not None else None,
            _digest(start.prior.weight, start.prior.bias) if start.prior else None,
        ])[:32]  # fmt: skip
        return Checkpoint(start.keep.folder / f"{self.name}-{key}.pt", start.keep.seconds)


@dataclass(frozen=True)
class _Trained:
    """What is really stepped through: the layers above the frozen ones, on hidden states, where the backbone can be cut there."""

    encoder: Encoder
    rows: Rows
    heldout: Rows | None
    notes: tuple[str, ...] = ()


def _pays(model: Any) -> bool:
    """Whether bfloat16 pays at the width of this backbone, on a CPU. On a GPU weights stay as they are."""
    width = getattr(model.config, "hidden_size", None)
    return isinstance(width, int) and model.device.type == "cpu" and bfloat16_pays(width)


def _runs_in_bfloat16(whole: Encoder, parts: tuple[Encoder, Encoder] | None, rows: Rows) -> bool:
    """Whether what is stepped through runs with its frozen weights in bfloat16: many backbones mix those with weights that are not.

    Tried on one row.
    """
    first = Rows(rows.inputs[:1], rows.labels[:1], rows.features[:1])
    try:
        with frozen_in_bfloat16(whole.model, wanted=True):
            read = first if parts is None else through_prefix(parts[0], first, label="frozen layers")
            if read is not None:
                (whole if parts is None else parts[1]).embed(read.inputs)
    except (RuntimeError, RootstockError):
        return False
    return read is not None


def _content(rows: Rows) -> list[object]:
    """Inputs as well as features: rows may come without those."""
    return [[input_hash(value) for value in rows.inputs], _digest(rows.features, rows.labels)]


def _digest(*arrays: NDArray[Any]) -> str:
    import hashlib

    import numpy as np

    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
