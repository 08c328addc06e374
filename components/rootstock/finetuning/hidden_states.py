"""Hidden states of rows between two layers of a backbone: computed once, kept on disk, read in place of the rows themselves."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rootstock import processes
from rootstock.encoder import Encoder
from rootstock.part import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Where Linux lets a process open what another of the same user holds open, even what has no name; elsewhere each computes all.
OPEN_FILES = "/proc/{}/fd"
#: Of what is free on the disk of the temporary folder, so much is left to others.
LEFT_FREE = 0.1


class Reached(Exception):
    """Ends a forward pass below the layer that was to be entered, with what it was to be given."""

    def __init__(self, states: Any) -> None:
        super().__init__("the frozen layers end here")
        self.states = states


@dataclass(frozen=True)
class TokenStates:
    """Reads rows of a text that are hidden states (tokens, d) already: stands where a modality stands."""

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


@dataclass(frozen=True)
class ImageStates:
    """Reads images that are hidden states, (tokens, d) or a map (d, height, width), already: all of one shape."""

    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """States (n, ...), under the name of what a backbone for images is called with."""
        import numpy as np
        import torch

        return {"pixel_values": torch.from_numpy(np.stack(inputs)).float()}

    def lengths(self, inputs: Sequence[Any], processor: Any) -> NDArray[np.int64]:
        """All alike: nothing is padded."""
        import numpy as np

        return np.ones(len(inputs), dtype=np.int64)


def hidden_states(prefix: Encoder, inputs: Sequence[Any]) -> list[NDArray[np.float16]]:
    """What a prefix (``split_encoder``) gives for each row of one batch, without padding."""
    tensors = prefix.modality.tensors(inputs, prefix.processor)
    tensors = {name: tensor.to(prefix.model.device) for name, tensor in tensors.items()}
    try:
        prefix.model(**tensors)
    except Reached as reached:
        hidden = reached.states.half().cpu().numpy()
    else:
        raise TypeError("expected a backbone that goes through its layers in turn, found one that never came to the cut")
    if "attention_mask" not in tensors:
        return list(hidden)
    lengths = tensors["attention_mask"].sum(dim=1).tolist()
    return [row[:tokens] for row, tokens in zip(hidden, lengths, strict=True)]


def through_prefix(prefix: Encoder, rows: Rows, *, label: str, known: dict[Any, Any] | None = None) -> Rows | None:
    """The same rows with hidden states, in half precision, as inputs.

    What is ``known`` of an input is not computed again, and what is computed is added to it. States lie memory-mapped in a file
    that is gone with the process; processes that train together compute a share each and read each other's. None, in all of them,
    where the disk has no room, or half precision none for so large a number.
    """
    known = {} if known is None else known
    new = [value for value in dict.fromkeys(rows.inputs) if value not in known]
    try:
        known.update(zip(new, _computed(prefix, new, label), strict=True))
    except (OSError, OverflowError):
        return None
    return Rows([known[value] for value in rows.inputs], rows.labels, rows.features)


@dataclass(frozen=True)
class _Share:
    """Hidden states that one process has written, one after another, into a file without a name."""

    process: int
    descriptor: int
    """of the file, which that process holds open until all have read it"""
    places: dict[int, tuple[int, tuple[int, ...]]]
    """input -> where its states begin, in numbers, and their shape"""


def _computed(prefix: Encoder, inputs: Sequence[Any], label: str) -> list[NDArray[np.float16]]:
    """States of each input.

    Raises:
        OSError: the disk has no room; processes that train together all raise it, so that none waits for another for ever.
    """
    if not inputs:
        return []
    count = processes.count() if Path(OPEN_FILES.format(os.getpid())).is_dir() else 1
    found = _computed_by(count, prefix, inputs, label)
    if found is None and count > 1:
        found = _computed_by(1, prefix, inputs, label)
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
        with contextlib.suppress(OSError, OverflowError):
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

    places: dict[int, tuple[int, tuple[int, ...]]] = {}
    prefix.model.eval()
    end = 0
    rows = sum(len(indices) for indices in batches)
    lengths = prefix.modality.lengths(inputs, prefix.processor)
    with torch.inference_mode(), tqdm(total=rows, desc=label, unit="row", disable=None, leave=False, file=sys.stderr) as bar:
        for indices in batches:
            for index, row in zip(indices.tolist(), hidden_states(prefix, [inputs[i] for i in indices]), strict=True):
                if not np.isfinite(row).all():
                    raise OverflowError("a hidden state is too large for half precision")
                stream.write(np.ascontiguousarray(row).data)
                places[index] = (end, row.shape)
                end += row.size
            if indices is batches[0]:
                _ask_for_room(row.itemsize * end * lengths.sum() / lengths[indices].sum())
            bar.update(len(indices))
    stream.flush()
    return _Share(os.getpid(), stream.fileno(), places)


def _ask_for_room(size_bytes: float) -> None:
    """Raises OSError if the states of all rows would fill the disk, before they do."""
    folder = tempfile.gettempdir()
    if size_bytes > (1 - LEFT_FREE) * shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)


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
            found[index] = mapped[start : start + math.prod(shape)].reshape(shape)
    return found
