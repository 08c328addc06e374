"""Licences as SPDX writes them: names such as ``MIT`` or ``CC-BY-4.0``, joined by AND and OR.

https://spdx.org/licenses lists the names; ``LicenseRef-NAME`` stands for terms that are not on it.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Collection, Iterator

from rootstock.errors import InputError

_TOKEN = re.compile(r"[()]|[^\s()]+(?:\s+WITH\s+[^\s()]+)?")


def canonical_licence(text: str) -> str:
    """The expression in SPDX's own spelling. Raises InputError for what is none."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise InputError(
            f"expected a licence as SPDX writes it (MIT, CC-BY-4.0, CC0-1.0), found '{text}'; "
            "spdx.org/licenses lists them, LicenseRef-NAME stands for terms of your own"
        ) from error


def package_licence(package: str) -> str | None:
    """The licence that the distribution of an import name states as an SPDX expression; None where it states none in that form."""
    for distribution in importlib.metadata.packages_distributions().get(package, ()):
        metadata = importlib.metadata.metadata(distribution)
        for field in ("License-Expression", "License"):
            try:
                return canonical_licence(metadata[field] or "")
            except InputError:  # before PEP 639 this field held any text
                continue
    return None


def is_allowed(licence: str | None, allowed: Collection[str]) -> bool:
    """Whether ``allowed`` names cover the licence: of AND all parts, of OR one. An unknown licence is not covered.

    An exception (``Apache-2.0 WITH LLVM-exception``) only permits more, so the name before WITH covers it. Case does not count.
    """
    if licence is None:
        return False
    names = {name.casefold() for name in allowed}
    return licence.casefold() in names or _any_of(iter(_TOKEN.findall(licence)), names)


def _any_of(tokens: Iterator[str], names: Collection[str]) -> bool:
    """Value of a disjunction of conjunctions, read up to its closing bracket or the end."""
    choices, is_covered = False, True
    for token in tokens:
        if token == ")":
            break
        if token == "OR":
            choices, is_covered = choices or is_covered, True
        elif token == "(":
            is_covered = _any_of(tokens, names) and is_covered
        elif token != "AND":
            is_covered = is_covered and bool({token.casefold(), token.split()[0].casefold()} & set(names))
    return choices or is_covered
