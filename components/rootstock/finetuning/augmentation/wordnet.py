"""Synonyms from WordNet's database files, whose format is told in its manual page wndb(5WN).

NLTK reads them too, but only together with files that Debian's package leaves out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rootstock.errors import ParamsError
from rootstock.files import read_utf8

#: In the order that decides where a word is as usual in two of them.
PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
_SIMPLE = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class WordNet:
    """An opened database."""

    data: dict[str, bytes]
    """part of speech -> its data file"""
    places: dict[str, tuple[str, int]]
    """word -> part of speech in which it is most usual, and where the synset of its first sense stands in that file"""

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Single words that mean the same as a lower-case word in its most usual sense, in WordNet's order; none if unknown."""
        if word not in self.places:
            return ()
        speech, place = self.places[word]
        line = self.data[speech][place : self.data[speech].index(b"\n", place)].decode("ascii", "replace").split()
        words = [entry.partition("(")[0].lower() for entry in line[4 : 4 + 2 * int(line[3], 16) : 2]]
        return tuple(dict.fromkeys(found for found in words if found != word and _SIMPLE.fullmatch(found)))


@cache
def open_wordnet(folder: Path) -> WordNet:
    """Read the database in a folder; about a second. Raises ParamsError if a file is missing or is none of WordNet's."""
    missing = [
        name for speech in PARTS_OF_SPEECH for name in (f"index.{speech}", f"data.{speech}") if not (folder / name).is_file()
    ]
    if missing:
        raise ParamsError(
            f"synonym_replacement: wordnet: expected a folder with WordNet's files, found no {missing[0]} in {folder}; install "
            "Debian's package wordnet-base (/usr/share/wordnet) or NLTK's corpus wordnet and name its folder"
        )
    places: dict[str, tuple[str, int]] = {}
    counts: dict[str, int] = {}
    for speech in PARTS_OF_SPEECH:
        path = folder / f"index.{speech}"
        for number, line in enumerate(read_utf8(path).splitlines(), start=1):
            if line.startswith("  "):  # the licence
                continue
            try:
                word, count, place = _entry(line)
            except (ValueError, IndexError) as error:
                raise ParamsError(
                    f"{path}: expected an entry of WordNet's index, found another text in line {number}; install it again"
                ) from error
            if count > counts.get(word, -1):
                counts[word], places[word] = count, (speech, place)
    return WordNet({speech: (folder / f"data.{speech}").read_bytes() for speech in PARTS_OF_SPEECH}, places)


def _entry(line: str) -> tuple[str, int, int]:
    """Word, how many of its senses occur in tagged text, and where its first sense stands."""
    fields = line.split()
    after = 4 + int(fields[3])  # pointer symbols
    return fields[0], int(fields[after + 1]), int(fields[after + 2])
