"""Prose paragraphs out of docstrings: markup, code, module paths and package names taken away."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

MIN_CHARACTERS, MAX_CHARACTERS, MIN_WORDS = 60, 600, 9

#: Sections of numpydoc, and of the Google style with a colon, that list things instead of describing them.
LISTING_SECTIONS = frozenset(
    [
        "parameters", "other parameters", "returns", "return", "yields", "raises", "warns", "attributes", "methods",
        "see also", "references", "examples", "example", "args", "arguments", "keyword args", "keyword arguments", "inputs",
        "outputs", "input", "output", "shape", "shapes", "variables", "properties",
    ]
)  # fmt: skip

DESCRIBING_SECTIONS = frozenset(
    ["parameters", "other parameters", "attributes", "args", "arguments", "keyword args", "keyword arguments", "raises"]
)

_ENTRY = re.compile(r"^\*{0,2}`*[\w, *]{1,40}`*\s*(?:\([^)]*\))?\s*(?::|\u2013|--)\s*(.*)$")
_ADMONITION = re.compile(r"^(?:note|warning|important|tip|caution):+\s*(.*)$", re.IGNORECASE)
_UNDERLINE = re.compile(r"^[-=~^]{3,}\s*$")
_DIRECTIVE = re.compile(r"^\.\.\s+([a-zA-Z_-]+)::\s*(.*)$")
_ROLE = re.compile(r":[a-zA-Z:_-]+:`~?\.?([^`<]*?)(?:\s*<[^>]*>)?`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^>]*>`_{1,2}")
_URL = re.compile(r"\(?(?:https?|ftp)://[^\s)]+\)?")
_REFERENCE = re.compile(r"\s*\[[\w#*.,\s-]{1,20}\]_")
_DOTTED = re.compile(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)")
_PACKAGE = re.compile(
    r"\b(?:the\s+)?(?:PyTorch|torch|NumPy|SciPy|scikit-learn|sklearn|libtorch|ATen|CPython|Python)\b(?:'s)?", re.IGNORECASE
)

#: A paragraph with one of these says nothing of a topic, or is no prose.
_NO_PROSE = re.compile(
    r">>>|\\|[{}|]|::|%\(|\b(?:versionadded|versionchanged|deprecated|copyright|licen[cs]ed?|all rights reserved|warranty)\b"
    r"|\bread more in\b|\buser guide\b|\bmetadata|\brouting\b|\brefer to\b|\bsee also\b"
    r"|\bfor (?:more|full) (?:details|information|documentation)\b"
    r"|\bversion \d"
    r"|\bis an alias\b|\balias (?:for|of)\b|\bset_output\b|\bget_params\b|\bnested objects\b|\breturn self\b|\bgithub\b"
    r"|torch|numpy|scipy|sklearn|library\[|__"
    r"|\barray api\b|\bfuture (?:release|version)|\bhttp|\.\. ",
    re.IGNORECASE,
)


def paragraphs(docstring: str) -> Iterator[str]:
    """Cleaned prose paragraphs of a docstring, in order: whole sentences of 60 to 600 characters that say something."""
    for block in _prose_blocks(inspect.cleandoc(docstring).splitlines()):
        text = _clean(" ".join(block))
        if is_prose(text):
            yield text


def descriptions(docstring: str) -> Iterator[str]:
    """Cleaned descriptions of the parameters and attributes that a docstring lists (numpydoc and Google style), in order."""
    for block in _entry_blocks(inspect.cleandoc(docstring).splitlines()):
        text = _clean(" ".join(block))
        text = text[:1].upper() + text[1:]
        if is_prose(text):
            yield text


def is_prose(text: str) -> bool:
    """Whether a cleaned paragraph reads as sentences: length, words, first letter, end, and share of letters."""
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS or len(text.split()) < MIN_WORDS:
        return False
    letters = sum(character.isalpha() or character == " " for character in text) / len(text)
    return text[0].isupper() and text[-1] in ".!?" and letters > 0.88 and not _NO_PROSE.search(text)


def _prose_blocks(lines: list[str]) -> Iterator[list[str]]:
    """Unindented blocks outside the listing sections, and the bodies of notes and warnings."""
    block: list[str] = []
    in_listing = False
    keep_indent = False
    for number, line in enumerate([*lines, ""]):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        indented = line[:1] in (" ", "\t")
        directive = _DIRECTIVE.match(line)
        admonition = _ADMONITION.match(line)
        header = line.strip().rstrip(":").lower()
        underlined = bool(line.strip()) and bool(_UNDERLINE.match(following))
        ends_block = not line.strip() or bool(directive or admonition) or underlined or (indented and not keep_indent)
        if ends_block or _UNDERLINE.match(line):
            if block:
                yield block
            block = []
        if underlined:
            in_listing, keep_indent = header in LISTING_SECTIONS, False
        elif _UNDERLINE.match(line) or not line.strip():
            continue
        elif directive:
            keep_indent = directive[1].lower() in ("note", "warning", "important", "tip")
            block = [directive[2]] if keep_indent and directive[2] and not in_listing else []
        elif admonition:
            keep_indent, in_listing = True, False
            block = [admonition[1]] if admonition[1] else []
        elif not indented:
            keep_indent = False
            if line.rstrip().endswith(":") and header in LISTING_SECTIONS:
                continue
            if not in_listing:
                block.append(line.strip())
        elif keep_indent and not in_listing:
            block.append(line.strip())


def _entry_blocks(lines: list[str]) -> Iterator[list[str]]:
    """First paragraph of each entry in the sections that describe parameters."""
    block: list[str] = []
    entry_indent: int | None = None
    in_section = False
    for number, line in enumerate([*lines, ""]):
        underlined = bool(line.strip()) and number + 1 < len(lines) and bool(_UNDERLINE.match(lines[number + 1]))
        indent = len(line) - len(line.lstrip())
        google = indent == 0 and line.rstrip().endswith(":")
        if underlined or google:
            in_section, entry_indent = line.strip().rstrip(":").lower() in DESCRIBING_SECTIONS, None
        elif in_section and line.strip() and not _UNDERLINE.match(line):
            entry_indent = indent if entry_indent is None else entry_indent
            if indent > entry_indent and block:
                block.append(line.strip())
                continue
            if indent == entry_indent and (entry := _ENTRY.match(line.strip())):
                yield from ([block] if block else [])
                # numpydoc puts the type here and the description below; Google style the description itself
                block = [entry[1] if indent else ""]
                continue
        yield from ([block] if block else [])
        block = []


def _clean(text: str) -> str:
    text = _ROLE.sub(lambda match: match[1], text)
    text = _LINK.sub(lambda match: match[1], text)
    text = _REFERENCE.sub("", _URL.sub("", text))
    text = re.sub(r"[`*]+", "", text)
    text = _DOTTED.sub(lambda match: match[0] if match[0].lower() in ("e.g", "i.e") else match[1], text)
    text = _PACKAGE.sub("the library", text)
    text = re.sub(r"\s+([.,;:)])(?=\s|$)", r"\1", re.sub(r"\s+", " ", text)).strip()
    text = re.sub(r"\s*:+$", ".", text)
    return text[:1].upper() + text[1:] if text.startswith("the library") else text
