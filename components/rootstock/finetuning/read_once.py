"""What is made of rows once, kept on disk, and read in place of the rows again and again: every epoch, in every fold."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rootstock import processes
from rootstock.part import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.encoder import Encoder

#: Where Linux lets a process open what another of the same user holds open, even what has no name; elsewhere each computes all.
OPEN_FILES = "/proc/{}/fd"
#: Of what is free on the disk of the temporary folder, so much is left to others.
LEFT_FREE = 0.1

#: What makes an array of each of a batch of inputs. Raises OverflowError for one that its precision cannot hold.
Make = Callable[[Sequence[Any]], Sequence[Any]]


def read_once(encoder: Encoder, rows: Rows, make: Make, *, label: str, known: dict[Any, Any]) -> Rows | None:
    """The same rows with what ``make`` makes of them as inputs, in the encoder's batches.

    What is ``known`` of an input is not computed again, and what is computed is added to it. Arrays lie memory-mapped in a file
    that is gone with the process; processes that train together compute a share each and read each other's. None, in all of them,
    where the disk has no room, or the precision none for so large a number.
    """
    new = [value for value in dict.fromkeys(rows.inputs) if value not in known]
    try:
        known.update(zip(new, _computed(encoder, new, make, label), strict=True))
    except (OSError, OverflowError):
        return None
    return replace(rows, inputs=[known[value] for value in rows.inputs])


@dataclass(frozen=True)
class _Place:
    """Where an array lies in a file."""

    start: int
    """in bytes"""
    shape: tuple[int, ...]
    kind: str
    """of its numbers, as NumPy writes it"""


@dataclass(frozen=True)
class _Share:
    """Arrays that one process has written, one after another, into a file without a name."""

    process: int
    descriptor: int
    """of the file, which that process holds open until all have read it"""
    places: dict[int, _Place]
    """by input"""


def _computed(encoder: Encoder, inputs: Sequence[Any], make: Make, label: str) -> list[NDArray[Any]]:
    """The array of each input.

    Raises:
        OSError: the disk has no room; processes that train together all raise it, so that none waits for another for ever.
    """
    if not inputs:
        return []
    count = processes.count() if Path(OPEN_FILES.format(os.getpid())).is_dir() else 1
    found = _computed_by(count, encoder, inputs, make, label)
    if found is None and count > 1:
        found = _computed_by(1, encoder, inputs, make, label)
    if found is None:
        raise OSError("arrays were written and cannot be read")
    return [found[index] for index in range(len(inputs))]


def _computed_by(count: int, encoder: Encoder, inputs: Sequence[Any], make: Make, label: str) -> dict[int, NDArray[Any]] | None:
    """The array of each input, of which each of ``count`` processes computes a share; None in all if one cannot read another's.

    Batches are cut alike in all of them, so arrays are those that one alone computes, to the bit.
    """
    mine = list(encoder.batches(inputs))[processes.rank() if count > 1 else 0 :: count]
    written = found = None
    with contextlib.ExitStack() as open_until_all_read:
        with contextlib.suppress(OSError, OverflowError):
            stream = open_until_all_read.enter_context(tempfile.TemporaryFile())
            lengths = encoder.modality.lengths(inputs, encoder.processor)
            written = _write(inputs, mine, make, stream, lengths=lengths, label=label)
        shares = [share for share in processes.gathered(written) if share is not None]
        if len(shares) < processes.count():
            raise OSError("no room for what is read again and again")
        with contextlib.suppress(OSError):
            found = _read([share for share in shares if count > 1 or share.process == os.getpid()])
        return found if all(processes.gathered(found is not None)) else None


def _write(
    inputs: Sequence[Any], batches: Sequence[NDArray[np.int64]], make: Make, stream: IO[bytes], *, lengths: NDArray[np.int64],
    label: str,
) -> _Share:  # fmt: skip
    import numpy as np
    from tqdm import tqdm

    places: dict[int, _Place] = {}
    end = 0
    with tqdm(total=sum(map(len, batches)), desc=label, unit="row", disable=None, leave=False, file=sys.stderr) as bar:
        for indices in batches:
            for index, array in zip(indices.tolist(), make([inputs[i] for i in indices]), strict=True):
                stream.write(np.ascontiguousarray(array).data)
                places[index] = _Place(end, array.shape, array.dtype.str)
                end += array.nbytes
            if indices is batches[0]:
                _ask_for_room(end * lengths.sum() / lengths[indices].sum())
            bar.update(len(indices))
    stream.flush()
    return _Share(os.getpid(), stream.fileno(), places)


def _ask_for_room(size_bytes: float) -> None:
    """Raises OSError if the arrays of all rows would fill the disk, before they do."""
    folder = tempfile.gettempdir()
    if size_bytes > (1 - LEFT_FREE) * shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)


def _read(shares: Sequence[_Share]) -> dict[int, NDArray[Any]]:
    """The array of every input, memory-mapped."""
    import numpy as np

    found = {}
    for share in shares:
        if not share.places:
            continue
        own = share.process == os.getpid()
        file = share.descriptor if own else Path(OPEN_FILES.format(share.process), str(share.descriptor))
        with open(file, "rb", closefd=not own) as stream:
            mapped = np.memmap(stream, dtype=np.uint8, mode="c")  # copy on write: torch wants arrays that could be written to
        for index, place in share.places.items():
            kind = np.dtype(place.kind)
            content = mapped[place.start : place.start + math.prod(place.shape) * kind.itemsize]
            found[index] = content.view(kind).reshape(place.shape)
    return found
