"""Texts: what a row's input is when it is a string."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from weakref import WeakKeyDictionary

from pydantic import Field

from rootstock.errors import BackboneError
from rootstock.part import Modality

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "spiece.model", "vocab.json")


#: Tokenizer -> most tokens -> text -> what it makes of it; gone with the tokenizer.
_READ: WeakKeyDictionary[Any, dict[int, dict[str, dict[str, list[int]]]]] = WeakKeyDictionary()
#: So many texts are remembered, about 20 MB of short ones.
MOST_TEXTS = 20_000
#: Read at a time: until it is done with all, a tokenizer holds about a hundred bytes a character, of what it cuts off too.
MOST_CHARACTERS = 1_000_000
#: Each differs from the others in what a tokenizer makes of it.
PROBES = (
    "a",
    "The ship left the harbour before the tide turned.",
    "ERROR 404: file_name.py, line 17 - 'NoneType' has no attribute",
    "Crème brûlée, naïve; straße, Łódź!",
    "Добрый день. 你好，世界",  # noqa: RUF001
    "3.14159 + 2e-5 = ? (about 50% of 1,000,000)",
    "yes " * 40 + "no",
    "Please cancel my order and refund the card I paid with",
)


class Text(Modality):
    """One string a row, cut after ``max_tokens`` tokens of the backbone's tokenizer."""

    name: Literal["text"] = "text"
    max_tokens: Annotated[int, Field(ge=3)]

    def load_processor(self, folder: Path) -> Any:
        """The tokenizer in ``folder``. Raises BackboneError if none is there that transformers reads, or it cannot pad."""
        from transformers import AutoTokenizer

        if not any((folder / name).is_file() for name in TOKENIZER_FILES):
            raise BackboneError(f"{folder}: expected a tokenizer ({', '.join(TOKENIZER_FILES[:2])}), found none; copy it there")
        try:
            found = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except Exception as error:  # of whatever kind a library has for a file that is cut off, or a package that is not installed
            said = str(error).strip().partition("\n")[0][:200]
            raise BackboneError(
                f"{folder}: expected a tokenizer that transformers can read, found another or a part of one ({said}); put its "
                "whole tokenizer.json there: other files may need packages that are not installed, such as sentencepiece"
            ) from error
        if found.pad_token is None:
            raise BackboneError(
                f"{folder}: expected a tokenizer with a pad token, found one without; name another backbone, or set pad_token in "
                "its tokenizer_config.json"
            )
        return found

    def copy_processor(self, base: Path, folder: Path) -> None:
        """The tokenizer, as transformers saves it: the files of many a backbone say only together with its config which it is."""
        self.load_processor(base).save_pretrained(folder)

    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """Token ids and mask, each (n, longest), padded to the longest text of the batch."""
        import numpy as np
        import torch

        rows = self._read(inputs, processor)
        fill = {"input_ids": processor.pad_token_id, "attention_mask": 0, "token_type_ids": processor.pad_token_type_id}
        if fill["input_ids"] is None or not rows[0].keys() <= fill.keys():
            # A fast tokenizer would rather pad while it reads; a text that is read once and padded every epoch is cheaper.
            processor.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
            return dict(processor.pad(rows, padding=True, return_tensors="pt"))
        longest = max(len(row["input_ids"]) for row in rows)
        found = {key: np.full((len(rows), longest), fill[key], dtype=np.int64) for key in rows[0]}
        for key, padded in found.items():  # what the tokenizer's own pad gives, in a fifth of the time
            for line, row in zip(padded, rows, strict=True):
                place = slice(longest - len(row[key]), None) if processor.padding_side == "left" else slice(len(row[key]))
                line[place] = row[key]
        return {key: torch.from_numpy(padded) for key, padded in found.items()}

    def lengths(self, inputs: Sequence[Any], processor: Any) -> NDArray[np.int64]:
        """Tokens."""
        import numpy as np

        found = (len(row["input_ids"]) for part in _parts(inputs) for row in self._read(part, processor))
        return np.fromiter(found, dtype=np.int64, count=len(inputs))

    def _read(self, inputs: Sequence[str], processor: Any) -> list[dict[str, list[int]]]:
        """What the tokenizer makes of each text; a text is read once."""
        limit = min(self.max_tokens, processor.model_max_length)
        kept = _READ.setdefault(processor, {})
        known = kept.setdefault(limit, {})
        if len(known) > MOST_TEXTS:
            known = kept[limit] = {}  # a new one: another thread may be reading the old
        new = [text for text in dict.fromkeys(inputs) if text not in known]
        for part in _parts(new):
            found = processor(part, truncation=True, max_length=limit)
            known.update((text, {key: found[key][i] for key in found}) for i, text in enumerate(part))
        return [known[text] for text in inputs]

    def surface_features(self, fit_on: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """TF-IDF of words and word pairs, sublinear, sparse (n, f); the vocabulary comes from ``fit_on``.

        Characters take the place of words where no text has a word of two letters.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        analyzer = "word" if any(re.search(r"\w\w", text) for text in fit_on) else "char"
        return TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 2), sublinear_tf=True).fit(fit_on).transform(inputs)

    def descriptors(self, inputs: Sequence[Any]) -> pd.DataFrame:
        """Length in characters and words, mean word length, shares of digits, capitals and signs: (n, 6)."""
        import pandas as pd

        return pd.DataFrame([_describe(text) for text in inputs], columns=list(_describe("")))

    def probes(self) -> tuple[Any, ...]:
        """Words, numbers, signs, capitals and other scripts, short and long: where tokenizers differ."""
        return PROBES


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, in lists of at most ``MOST_CHARACTERS``; a longer one by itself."""
    part: list[str] = []
    characters = 0
    for text in texts:
        if part and characters + len(text) > MOST_CHARACTERS:
            yield part
            part, characters = [], 0
        part.append(text)
        characters += len(text)
    if part:
        yield part


def _describe(text: str) -> dict[str, float]:
    words = re.findall(r"\w+", text)
    size = max(len(text), 1)
    return {
        "characters": float(len(text)),
        "words": float(len(words)),
        "mean_word_characters": sum(map(len, words)) / max(len(words), 1),
        "digit_share": sum(map(str.isdigit, text)) / size,
        "capital_share": sum(map(str.isupper, text)) / size,
        "sign_share": sum(not (c.isalnum() or c.isspace()) for c in text) / size,
    }
