"""Hidden states of rows between two layers of a backbone: computed once, read in place of the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootstock.encoder import Encoder
from rootstock.finetuning.read_once import read_once
from rootstock.out_of_memory import in_halves
from rootstock.part import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    """The same rows with hidden states, in half precision, as inputs (see ``read_once``).

    None, in all processes that train together, where the disk has no room, or half precision none for so large a number.
    """
    import numpy as np
    import torch

    def make(inputs: Sequence[Any]) -> list[NDArray[np.float16]]:
        found: list[NDArray[np.float16]] = []
        with torch.inference_mode():
            for _, states in in_halves(lambda rows: hidden_states(prefix, [inputs[row] for row in rows]), np.arange(len(inputs))):
                found.extend(states)
        if not all(np.isfinite(row).all() for row in found):
            raise OverflowError("a hidden state is too large for half precision")
        return found

    prefix.model.eval()
    return read_once(prefix, rows, make, label=label, known={} if known is None else known)
