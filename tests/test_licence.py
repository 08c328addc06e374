"""Licences as SPDX writes them."""

from __future__ import annotations

import pytest
from rootstock.errors import InputError
from rootstock.licence import canonical_licence, is_allowed, package_licence


def test_the_spelling_is_that_of_spdx() -> None:
    assert canonical_licence("cc-by-4.0 or (mit and 0bsd)") == "CC-BY-4.0 OR (MIT AND 0BSD)"
    assert canonical_licence("LicenseRef-ours") == "LicenseRef-ours"


@pytest.mark.parametrize("text", ["CC0", "free for all", "MIT AND", ""])
def test_what_is_no_licence_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=rf"as SPDX writes it .* found '{text}'"):
        canonical_licence(text)


@pytest.mark.parametrize(
    ("licence", "allowed", "answer"),
    [
        ("MIT", ["mit"], True),
        ("MIT", [], False),
        (None, ["MIT"], False),
        ("GPL-3.0-only OR MIT", ["MIT"], True),
        ("MIT AND Zlib", ["MIT"], False),
        ("MIT AND Zlib", ["Zlib", "MIT"], True),
        ("MIT AND Zlib", ["MIT AND Zlib"], True),
        ("A AND B OR C", ["C"], True),
        ("A AND (B OR C)", ["C"], False),
        ("A AND (B OR C)", ["A", "C"], True),
        ("(A OR B) AND C", ["A"], False),
        ("Apache-2.0 WITH LLVM-exception AND MIT", ["Apache-2.0", "MIT"], True),
        ("Apache-2.0", ["Apache-2.0 WITH LLVM-exception"], False),
    ],
)
def test_and_needs_all_and_or_needs_one(licence: str | None, allowed: list[str], answer: bool) -> None:
    assert is_allowed(licence, allowed) is answer


def test_a_package_states_its_licence_or_none() -> None:
    assert package_licence("sklearn") == "BSD-3-Clause"
    assert package_licence("no_such_package") is None
