"""What counts as the same input: a text's normal form, an image's content hash."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def normal_text(text: str) -> str:
    """Unicode NFKC, case folded, runs of blanks as one: texts that differ only so are the same input."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def composed(name: str) -> str:
    """A name with accents and letters as one (Unicode NFC): macOS writes them as two, and nobody sees a difference."""
    return unicodedata.normalize("NFC", name)


def normal_input(value: Any) -> str:
    """One input as a comparable string: a text's normal form, the sha256 of an image's bytes, "" for a missing one."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return normal_text(value) if isinstance(value, str) else ""


def normal_inputs(rows: pd.DataFrame) -> pd.Series[str]:
    """``normal_input`` of the column ``input``, with the rows' index."""
    import pandas as pd

    return pd.Series([normal_input(value) for value in rows["input"]], index=rows.index, dtype="str")
