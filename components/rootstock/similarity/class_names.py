"""Names of classes: what spelling hides, and words that turn a meaning round."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

#: What stands between words: all but letters, digits, and the signs that make another class of a word (``c++``, ``c#``, ``-1``).
SEPARATORS = re.compile(r"(?:[^\w+#%$<>=*-]|_|(?<=\w)-|-(?!\d))+")
APOSTROPHES = re.compile("['\u2019]")
NEGATIONS = frozenset(
    {"not", "no", "non", "never", "without", "neither", "none", "isnt", "dont", "doesnt", "cannot", "cant", "unable"}
)
NEGATING_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "mis", "anti", "de")
#: Short forms that class names are known by, so short that their embedding says little.
LONG_FORMS = {"pos": "positive", "neg": "negative", "neu": "neutral", "neut": "neutral"}
#: Words that count or name a member of a series: another one is another class, however close.
SERIES = frozenset(
    word
    for series in (
        "zero one two three four five six seven eight nine ten first second third fourth fifth ii iii iv vi",
        "monday tuesday wednesday thursday friday saturday sunday",
        "january february march april may june july august september october november december",
        "north south east west red green blue yellow black white",
    )
    for word in series.split()
)
#: Stems of words that turn a meaning round.
OPPOSITES = tuple(
    tuple(frozenset(side.split()) for side in pair.split(" | "))
    for pair in (
        "positiv | negativ", "good great best | bad poor worst", "true correct right | false wrong incorrect", "yes | no",
        "real genuin authentic human | fake forg machine", "buy bought purchas | sell sold sale", "up | down", "high | low",
        "male man men | female woman women", "increas ris gain | decreas fall drop loss", "love lik | hat dislik",
        "support favo for pro | oppos against con", "accept approv grant allow | reject declin deni deny refus block",
        "win won | lose lost", "hot warm | cold cool", "happy joy | sad unhappy", "open start begin | clos stop end finish",
        "send sent outgoing | receiv incoming", "in | out", "on | off", "before | after", "old | new young", "more | less few",
        "min minimum least | max maximum most", "left | right", "early | late", "easy simple | hard difficult complex",
        "push deposit | pull withdraw", "internal | external", "import | export", "public | private", "first | last",
        "activ enabl | inactiv disabl", "success succeed pass | fail", "lost | stolen",
        "objectiv | subjectiv", "spam junk | ham legitimat", "safe clean | toxic hateful abusiv",
    )
)  # fmt: skip


def normal_form(name: str) -> str:
    """Casefolded words with a blank between: ``CardArrival`` and ``card_arrival`` are ``card arrival``, ``pos`` is ``positive``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name)).replace("&", " and ")
    words = SEPARATORS.sub(" ", APOSTROPHES.sub("", spaced)).casefold().split()
    return " ".join(LONG_FORMS.get(word, word) for word in words)


def opposed(one: str, two: str) -> bool:
    """Whether two names in normal form differ by a negation, a number or other member of a series, or a word for its opposite."""
    mine, theirs = one.split(), two.split()
    if sum(word in NEGATIONS for word in mine) % 2 != sum(word in NEGATIONS for word in theirs) % 2:
        return True
    if _members(mine) != _members(theirs):
        return True
    mine, theirs = [word for word in mine if word not in theirs], [word for word in theirs if word not in mine]
    return any(_turned_round(a, b) for a in mine for b in theirs)


def bare_negation(one: str, two: str) -> bool:
    """Whether two names in normal form differ by a word for "not" alone."""
    kept = ([word for word in name.split() if word not in NEGATIONS] for name in (one, two))
    return next(kept) == next(kept)


def _members(words: Sequence[str]) -> set[str]:
    return {word for word in words if word in SERIES or (len(word) == 1 and word != "a") or any(map(str.isdigit, word))}


def _turned_round(one: str, two: str) -> bool:
    short, long = sorted((one, two), key=len)
    if any(long == prefix + short for prefix in NEGATING_PREFIXES):
        return True
    return any(
        (_has_stem(one, left) and _has_stem(two, right)) or (_has_stem(two, left) and _has_stem(one, right))
        for left, right in OPPOSITES
    )


def _has_stem(word: str, stems: frozenset[str]) -> bool:
    return any(word == stem or (len(stem) > 3 and word.startswith(stem)) for stem in stems)
