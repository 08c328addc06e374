"""Which classes of a target and a source mean the same: by name, and by the meaning of the names where they differ in wording.

Embeddings of words put opposites close together ("lost card" and "stolen card", "positive" and "negative"), and a class carried
over to its opposite does more harm than one not carried over. So closeness alone never makes a match: names that differ by a
negation, a number or a known opposite are kept apart, and a match must be nearer than every other class on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rootstock.similarity.class_names import bare_negation, normal_form, opposed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: How much nearer a match must be than the next class on either side, in cosine.
MARGIN = 0.03
#: Two classes against two, where no name alone is clear: cosine of the direction from one class to the other, over the prompts.
CONTRAST = 0.25
#: And the least cosine of the names then, as a share of the threshold.
CONTRAST_SHARE = 0.5
#: Two different names as close as this are one to the backbone because it cannot read them.
UNREADABLE = 0.999
PROMPTS = ("{}", "This text is {}.", "It is {}.")


def match_labels(
    target: Sequence[str],
    source: Sequence[str],
    *,
    embed: Callable[[Sequence[str]], NDArray[np.float64]] | None,
    threshold: float,
) -> dict[str, str]:
    """Label of the target -> label of the source that means the same, one to one.

    First names that are equal in normal form. Then, among the rest, by ``embed`` (names -> (n, d); None matches by name only): the
    assignment of greatest cosine, of which those stand that are ``threshold`` close or closer (1 leaves equal names only), not
    opposites, and nearer by a margin than every other class of either set is. Two classes against two ("good", "bad" and
    "positive", "negative") may also match together, where the direction from one class to the other is the same in both.
    """
    matched = _by_name(target, source)
    rest = [name for name in target if name not in matched]
    others = [name for name in source if name not in matched.values()]
    if embed is None or threshold >= 1 or not rest or not others:
        return matched
    return matched | _by_meaning(rest, others, target, source, embed=embed, threshold=threshold)


def rename_classes(source: Sequence[str], matched: Mapping[str, str]) -> tuple[str, ...]:
    """The source's classes, in order, a matched one under the target's name.

    A class that is not matched but is called like one of the target gets a mark, so that it is not taken for it.
    """
    names = {theirs: mine for mine, theirs in matched.items()}
    return tuple(names.get(label, f"{label} (source)" if label in matched else label) for label in source)


def _by_name(target: Sequence[str], source: Sequence[str]) -> dict[str, str]:
    """Equal names first as they are, then in normal form where that form belongs to one class of either set alone."""
    matched = {name: name for name in target if name in set(source)}
    mine = _unique([name for name in target if name not in matched])
    theirs = _unique([name for name in source if name not in matched])
    return matched | {name: theirs[form] for form, name in mine.items() if form in theirs}


def _unique(names: Sequence[str]) -> dict[str, str]:
    forms = [normal_form(name) for name in names]
    return {form: name for form, name in zip(forms, names, strict=True) if form and forms.count(form) == 1}


def _by_meaning(
    rest: Sequence[str],
    others: Sequence[str],
    target: Sequence[str],
    source: Sequence[str],
    *,
    embed: Callable[[Sequence[str]], NDArray[np.float64]],
    threshold: float,
) -> dict[str, str]:
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    forms = {name: normal_form(name) or name for name in [*target, *source]}
    names = _Names(sorted(set(forms.values())), embed)
    close = names.cosines([forms[name] for name in rest], [forms[name] for name in others])
    for row, column in np.argwhere(close >= threshold):
        if opposed(forms[rest[row]], forms[others[column]]):
            close[row, column] = -1.0
    matched = {}
    for row, column in zip(*linear_sum_assignment(close, maximize=True), strict=True):
        mine, theirs = rest[row], others[column]
        rivals = [forms[name] for name in {*target, *source} - {mine, theirs}]
        nearest = names.cosines([forms[mine], forms[theirs]], rivals).max(initial=-1.0)
        if threshold <= close[row, column] < UNREADABLE and close[row, column] >= nearest + MARGIN:
            matched[mine] = theirs
    if len(matched) == 2 or not len(target) == len(source) == len(rest) == len(others) == 2:
        return matched
    both = _two_and_two(rest, others, forms, names, least=threshold * CONTRAST_SHARE)
    return matched if not both else both if matched.items() <= both.items() else {}


def _two_and_two(
    mine: Sequence[str], theirs: Sequence[str], forms: Mapping[str, str], names: _Names, *, least: float
) -> dict[str, str]:
    """Both classes at once: what two sets have in common cancels in the difference, what tells their classes apart remains."""
    if all(bare_negation(*(forms[name] for name in pair)) for pair in (mine, theirs)):
        return {}  # two such sets are alike in the denial, whatever it is that they deny
    contrast = names.contrast([forms[name] for name in mine], [forms[name] for name in theirs])
    pairs = list(zip(mine, theirs if contrast > 0 else theirs[::-1], strict=True))
    if abs(contrast) < CONTRAST or any(opposed(forms[a], forms[b]) for a, b in pairs):
        return {}
    return dict(pairs) if min(names.cosines([forms[a]], [forms[b]]).item() for a, b in pairs) >= least else {}


class _Names:
    """Embeddings of names, alone and in the prompts, of unit length."""

    def __init__(self, names: Sequence[str], embed: Callable[[Sequence[str]], NDArray[np.float64]]) -> None:
        import numpy as np

        found = np.asarray(embed([prompt.format(name) for prompt in PROMPTS for name in names]), dtype=np.float64)
        found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        self._vectors = found.reshape(len(PROMPTS), len(names), -1)
        self._place = {name: index for index, name in enumerate(names)}

    def cosines(self, mine: Sequence[str], theirs: Sequence[str]) -> NDArray[np.float64]:
        """(n, m) between the names alone."""
        import numpy as np

        plain = self._vectors[0]
        return np.asarray(plain[[self._place[name] for name in mine]] @ plain[[self._place[name] for name in theirs]].T)

    def contrast(self, mine: Sequence[str], theirs: Sequence[str]) -> float:
        """Mean over the prompts of the cosine between the two directions from the second name to the first, -1..1."""
        import numpy as np

        a, b = (self._vectors[:, self._place[pair[0]]] - self._vectors[:, self._place[pair[1]]] for pair in (mine, theirs))
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        return float(((a * b).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())
