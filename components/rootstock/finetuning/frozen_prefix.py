"""The frozen prefix: what lies below the first trainable layer is computed once a row, not once an epoch."""

from __future__ import annotations

import contextlib
import copy
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from rootstock import processes
from rootstock.backbone import Encoder
from rootstock.errors import RootstockError
from rootstock.part import Modality, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A cut is tried on the shortest and the longest of so many rows.
LOOKED_AT = 64
#: Of the length of the whole's features; half precision between the layers costs a thousandth.
TOLERANCE = 0.01
#: Where Linux lets a process open what another of the same user holds open, even what has no name; elsewhere each computes all.
OPEN_FILES = "/proc/{}/fd"


@dataclass(frozen=True)
class HiddenStates:
    """Reads rows that are hidden states (tokens, d) already: stands where a modality stands."""

    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """Padded states (n, longest, d) and their mask (n, longest)."""
        import torch

        states = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(rows).float() for rows in inputs], batch_first=True)
        lengths = torch.tensor([len(rows) for rows in inputs])
        return {"inputs_embeds": states, "attention_mask": (torch.arange(states.shape[1]) < lengths[:, None]).long()}

    def lengths(self, inputs: Sequence[Any], processor: Any) -> NDArray[np.int64]:
        """Tokens of each row."""
        import numpy as np

        return np.fromiter((len(rows) for rows in inputs), dtype=np.int64, count=len(inputs))


def split_encoder(encoder: Encoder, below: int, inputs: Sequence[Any]) -> tuple[Encoder, Encoder] | None:
    """The encoder as (prefix of ``below`` layers, the layers above it): what the prefix gives is what the suffix reads.

    Both share the encoder's own layers, so training the suffix trains the encoder. None where the architecture does not keep its
    layers as ``embeddings`` and ``encoder.layer`` (as BERT, RoBERTa and MiniLM do), or rows are read in another way than by tokens
    and padding behind them, or where both together do not give what the whole gives for two of ``inputs``: some keep their layers
    so and compute something more before, between or after them. Cut it while its weights are in single precision.
    """
    parts = _cut(encoder, below)
    return parts if parts is not None and processes.agreed(_give_the_same(encoder, *parts, _two_of(encoder, inputs))) else None


def _cut(encoder: Encoder, below: int) -> tuple[Encoder, Encoder] | None:
    import torch

    model = encoder.model
    layers = getattr(getattr(model, "encoder", None), "layer", None)
    if not isinstance(layers, torch.nn.ModuleList) or not hasattr(model, "embeddings") or below < 1:
        return None
    if encoder.modality.name != "text" or getattr(model.config, "is_decoder", False):
        return None
    if getattr(encoder.processor, "padding_side", "right") == "left":
        return None
    prefix, suffix = _with_layers(model, layers[:below]), _with_layers(model, layers[below:])
    suffix.embeddings = _AsGiven(_a_frozen_weight(suffix))
    suffix.pooler = prefix.pooler = None  # nothing reads it
    return (
        Encoder(prefix, encoder.processor, encoder.modality, encoder.pooling, encoder.batch_rows),
        Encoder(suffix, None, cast(Modality, HiddenStates()), encoder.pooling, encoder.batch_rows),
    )


def _two_of(encoder: Encoder, inputs: Sequence[Any]) -> list[Any]:
    """A short and a longer one: the first is padded beside the second."""
    some = list(inputs[:LOOKED_AT])
    lengths = encoder.modality.lengths(some, encoder.processor)
    return [some[int(lengths.argmin())], some[int(lengths.argmax())]]


def _give_the_same(whole: Encoder, prefix: Encoder, suffix: Encoder, inputs: Sequence[Any]) -> bool:
    """Whether the features are the same, up to the half precision in which hidden states are kept."""
    import torch

    models = [each.model for each in (whole, prefix, suffix)]
    modes = [model.training for model in models]
    try:
        for model in models:
            model.eval()
        with torch.no_grad():  # what a model caches of a pass in inference mode could not be trained through
            expected = whole.features(whole.modality.tensors(inputs, whole.processor))
            found = suffix.features(suffix.modality.tensors(_hidden(prefix, inputs), None))
            return bool((found - expected).norm() <= TOLERANCE * expected.norm())
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, RootstockError):  # parts that do not fit each other
        return False
    finally:
        for model, mode in zip(models, modes, strict=True):
            model.train(mode)


def _hidden(prefix: Encoder, inputs: Sequence[Any]) -> list[NDArray[np.float16]]:
    """The hidden states (tokens, d) of each row of one batch, without padding."""
    tensors = prefix.modality.tensors(inputs, prefix.processor)
    tensors = {name: tensor.to(prefix.model.device) for name, tensor in tensors.items()}
    hidden = prefix.model(**tensors).last_hidden_state.half().cpu().numpy()
    lengths = tensors["attention_mask"].sum(dim=1).tolist()
    return [row[:tokens] for row, tokens in zip(hidden, lengths, strict=True)]


def _with_layers(model: Any, layers: Any) -> Any:
    part, inner = copy.copy(model), copy.copy(model.encoder)
    part._modules, inner._modules = dict(model._modules), dict(model.encoder._modules)
    inner.layer, part.encoder = layers, inner
    return part


def _a_frozen_weight(suffix: Any) -> Any:
    """Its precision is that of the layers; a weight that is trained stays in single precision."""
    weights = [parameter for parameter in suffix.encoder.parameters() if parameter.is_floating_point()]
    return next((weight for weight in weights if not weight.requires_grad), weights[0])


def _AsGiven(precision: Any) -> Any:  # noqa: N802 - torch must not be imported with this file
    import torch

    class AsGiven(torch.nn.Module):
        """Embeddings that were computed before, in the precision of the layers that read them."""

        def forward(self, *_: Any, inputs_embeds: Any, **__: Any) -> Any:
            return inputs_embeds.to(precision.dtype)

    return AsGiven()


def through_prefix(prefix: Encoder, rows: Rows, *, label: str, known: dict[Any, Any] | None = None) -> Rows | None:
    """The same rows with hidden states, in half precision, as inputs.

    What is ``known`` of an input is not computed again, and what is computed is added to it. States lie memory-mapped in a file
    that is gone with the process; processes that train together compute a share each and read each other's. None, in all of them,
    where the disk has no room.
    """
    known = {} if known is None else known
    new = [value for value in dict.fromkeys(rows.inputs) if value not in known]
    try:
        known.update(zip(new, _computed(prefix, new, label), strict=True))
    except OSError:
        return None
    return Rows([known[value] for value in rows.inputs], rows.labels, rows.features)


@dataclass(frozen=True)
class _Share:
    """Hidden states that one process has written, one after another, into a file without a name."""

    process: int
    descriptor: int
    """of the file, which that process holds open until all have read it"""
    places: dict[int, tuple[int, tuple[int, int]]]
    """input -> where its states begin, in numbers, and their shape"""


def _computed(prefix: Encoder, inputs: Sequence[Any], label: str) -> list[NDArray[np.float16]]:
    """States of each input.

    Raises:
        OSError: the disk has no room; processes that train together all raise it, so that none waits for another for ever.
    """
    if not inputs:
        return []
    found = None
    if Path(OPEN_FILES.format(os.getpid())).is_dir():
        found = _computed_by(processes.count(), prefix, inputs, label)
    found = found or _computed_by(1, prefix, inputs, label)
    if found is None:
        raise OSError("hidden states were written and cannot be read")
    return [found[index] for index in range(len(inputs))]


def _computed_by(count: int, prefix: Encoder, inputs: Sequence[Any], label: str) -> dict[int, NDArray[np.float16]] | None:
    """States of each input, of which each of ``count`` processes computes a share; None in all if one cannot read another's.

    Batches are cut alike in all of them, so states are those that one alone computes, to the bit.
    """
    mine = list(prefix.batches(inputs))[processes.rank() if count > 1 else 0 :: count]
    written = found = None
    with contextlib.ExitStack() as open_until_all_read:
        with contextlib.suppress(OSError):
            stream = open_until_all_read.enter_context(tempfile.TemporaryFile())
            written = _write(prefix, inputs, mine, stream, label=label)
        shares = [share for share in processes.gathered(written) if share is not None]
        if len(shares) < processes.count():
            raise OSError("no room for hidden states")
        with contextlib.suppress(OSError):
            found = _read([share for share in shares if count > 1 or share.process == os.getpid()])
        return found if all(processes.gathered(found is not None)) else None


def _write(
    prefix: Encoder, inputs: Sequence[Any], batches: Sequence[NDArray[np.int64]], stream: IO[bytes], *, label: str
) -> _Share:
    import numpy as np
    import torch
    from tqdm import tqdm

    places: dict[int, tuple[int, tuple[int, int]]] = {}
    prefix.model.eval()
    end = 0
    rows = sum(len(indices) for indices in batches)
    with torch.inference_mode(), tqdm(total=rows, desc=label, unit="row", disable=None, leave=False, file=sys.stderr) as bar:
        for indices in batches:
            for index, row in zip(indices.tolist(), _hidden(prefix, [inputs[i] for i in indices]), strict=True):
                stream.write(np.ascontiguousarray(row).data)
                places[index] = (end, (row.shape[0], row.shape[1]))
                end += row.size
            bar.update(len(indices))
    stream.flush()
    return _Share(os.getpid(), stream.fileno(), places)


def _read(shares: Sequence[_Share]) -> dict[int, NDArray[np.float16]]:
    """States of every input, memory-mapped."""
    import numpy as np

    found = {}
    for share in shares:
        if not share.places:
            continue
        own = share.process == os.getpid()
        file = share.descriptor if own else Path(OPEN_FILES.format(share.process), str(share.descriptor))
        with open(file, "rb", closefd=not own) as stream:
            mapped = np.memmap(stream, dtype=np.float16, mode="c")  # copy on write: torch wants arrays that could be written to
        for index, (start, shape) in share.places.items():
            found[index] = mapped[start : start + shape[0] * shape[1]].reshape(shape)
    return found
