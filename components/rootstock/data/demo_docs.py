"""The text demo: documentation of installed libraries, cut into paragraphs and labelled by topic, made at run time.

``torch-docs`` is the target with few labels; the other scientific libraries share its topics; ``python-docs`` has topics of its own
and little to teach. Names of modules and packages are taken out of the text, so that the topic has to be read from the prose.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import io
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from rootstock.data.demo_topics import PYTHON, SCIENCE
from rootstock.data.paragraphs import descriptions, paragraphs
from rootstock.data.rows import make_frame
from rootstock.errors import DataError
from rootstock.licence import package_licence

if TYPE_CHECKING:
    import pandas as pd

TARGET = next(iter(SCIENCE))
#: A topic gives at most so many paragraphs, chosen by their hash.
TOPIC_ROWS = 150
#: A topic with fewer is filled up to this with the descriptions of parameters.
FILLED_TO = 100
#: Paragraphs whose sets of words overlap more (Jaccard) are taken for one.
SAME_ABOVE = 0.8


def build_docs(*, arrived: float = 1.0) -> dict[str, pd.DataFrame]:
    """Dataset name -> canonical frame, target first. ``arrived`` is the share (0..1] of the target's paragraphs that is there yet;

    a smaller share is always part of a greater one. Raises DataError when a library is not installed.
    """
    frames = {name: _frame(name) for name in (*SCIENCE, *PYTHON)}
    target = frames[TARGET]
    frames[TARGET] = target.iloc[: max(1, round(arrived * len(target)))].sort_values("id", ignore_index=True)
    return frames


def docs_licence(name: str) -> str | None:
    """Licence that the documented library states; None where it states none as SPDX writes it (the standard library does not)."""
    return package_licence(name.removesuffix("-docs"))


def stream(*, arrived: float, rows: int, windows: int = 1, source: str | None = None) -> list[pd.DataFrame]:
    """Unlabelled windows (columns ``id``, ``input``) of ``rows`` paragraphs each, as an application would see them.

    From the target: paragraphs that had not arrived yet at the share ``arrived``, so nothing has drifted. From another ``source``:
    its paragraphs in an order of their own, so the world has changed. Raises DataError when there are too few paragraphs.
    """
    source = source or TARGET
    frame = _frame(source)
    fresh = frame.iloc[max(1, round(arrived * len(frame))) :] if source == TARGET else frame
    if len(fresh) < rows * windows:
        raise DataError(
            f"{source}: expected {rows * windows} paragraphs for {windows} windows of {rows}, found {len(fresh)}; take fewer"
        )
    return [fresh.iloc[start * rows : (start + 1) * rows][["id", "input"]].reset_index(drop=True) for start in range(windows)]


@cache
def _frame(name: str) -> pd.DataFrame:
    """All of one dataset in the order of arrival: by hash, so topics come mixed. Callers must not change it."""
    topics = (SCIENCE | PYTHON)[name]
    prose = _without_near_duplicates([(topic, text) for topic, places in topics.items() for text in _texts(places, paragraphs)])
    by_topic = {topic: [text for found, text in prose if found == topic] for topic in topics}
    short = {topic for topic, texts in by_topic.items() if len(texts) < FILLED_TO}
    listed = [(topic, text) for topic in topics if topic in short for text in _texts(topics[topic], descriptions)]
    kept = _without_near_duplicates([*prose, *listed])
    chosen: list[tuple[str, str]] = []
    for topic, texts in by_topic.items():
        first = texts[:TOPIC_ROWS]
        more = [text for found, text in kept if found == topic and text not in texts] if topic in short else []
        chosen += [(topic, text) for text in (*first, *more[: max(0, FILLED_TO - len(first))])]
    chosen.sort(key=lambda row: _order(row[1], "arrival"))
    return make_frame([text for _, text in chosen], [topic for topic, _ in chosen])


def _order(text: str, purpose: str) -> str:
    """A place in a pseudo-random order; one order for choosing and another for arrival, else large topics would arrive first."""
    return hashlib.sha256(f"{purpose} {text}".encode()).hexdigest()


def _texts(places: tuple[str, ...], read: Callable[[str], Iterator[str]]) -> list[str]:
    """Different texts of a topic, by hash, and not many more than are wanted: comparing takes the square of their number."""
    found: set[str] = set()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        for place in places:
            for docstring in _docstrings(place):
                found.update(read(docstring))
    return sorted(found, key=lambda text: _order(text, "choice"))[: 2 * TOPIC_ROWS]


def _without_near_duplicates(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep the first of paragraphs alike within a topic, and none of those alike across topics (they tell no topic)."""
    bits: dict[str, int] = {}
    kept: list[tuple[str, str, int]] = []
    ambiguous: set[int] = set()
    for topic, text in rows:
        words = 0
        for word in "".join(character if character.isalpha() else " " for character in text.lower()).split():
            words |= 1 << bits.setdefault(word, len(bits))
        alike = [
            number
            for number, (_, _, other) in enumerate(kept)
            if (words & other).bit_count() > SAME_ABOVE * (words | other).bit_count()
        ]
        if not alike:
            kept.append((topic, text, words))
        ambiguous.update(number for number in alike if kept[number][0] != topic)
    return [(topic, text) for number, (topic, text, _) in enumerate(kept) if number not in ambiguous]


def _docstrings(place: str) -> Iterator[str]:
    module_name, _, names = place.partition(":")
    wanted = frozenset(names.split())
    for module in _modules(module_name):
        if not wanted and isinstance(module.__doc__, str):
            yield module.__doc__
        for name, value in sorted(vars(module).items()):
            if name in wanted or (not wanted and not name.startswith("_") and _is_own(value, module_name.removesuffix(".*"))):
                yield from _docstrings_of(value)


def _modules(name: str) -> Iterator[Any]:
    """The module, and with ``.*`` its public submodules, those that can be imported."""
    root_name = name.removesuffix(".*")
    library = root_name.partition(".")[0]
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise DataError(f"the demo corpus needs the package {library}, found {error}; install it") from error
    try:
        root = pkgutil.resolve_name(root_name)
    except Exception:  # a library without this submodule has fewer paragraphs; whatever its import raises
        return
    yield root
    if name.endswith(".*"):
        for info in sorted(
            pkgutil.walk_packages(root.__path__, root_name + ".", onerror=lambda _: None), key=lambda info: info.name
        ):
            last = info.name.rpartition(".")[2]
            if last.startswith("_") or "test" in last:
                continue
            with contextlib.suppress(Exception, SystemExit):
                yield importlib.import_module(info.name)


def _is_own(value: Any, module_name: str) -> bool:
    """Whether ``value`` is a function or class of this module, not one it imported."""
    if inspect.ismodule(value) or not (inspect.isclass(value) or callable(value)):
        return False
    if not isinstance(value.__doc__, str):  # an undocumented class shows the methods it inherits
        return False
    home = getattr(value, "__module__", None) or module_name
    library = module_name.partition(".")[0]
    is_compiled = not inspect.isclass(value) and (home == "builtins" or home.startswith(f"{library}._C"))
    return is_compiled or home.startswith(module_name) or home == f"_{module_name}"


def _docstrings_of(value: Any) -> Iterator[str]:
    members: list[Any] = [value]
    if inspect.isclass(value):
        members += [member for name, member in sorted(vars(value).items()) if not name.startswith("_") and _has_docs(member)]
    yield from (docs for member in members if isinstance(docs := getattr(member, "__doc__", None), str))


def _has_docs(member: Any) -> bool:
    return callable(member) or isinstance(member, property | classmethod | staticmethod)
