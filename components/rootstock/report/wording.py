"""How numbers, names and texts are worded in the reports."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

from rootstock.records import Measure

#: Units whose numbers are shares of one and are shown as per cents.
SHARE_UNITS = frozenset({"share", "fraction", "accuracy", "probability", "ratio", "proportion", "rate"})
#: Control characters, lone surrogates, and the marks that reorder text, with which one name can be dressed up as another.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_JOINERS = "\N{ZERO WIDTH JOINER}\ufe0f"
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"


def clip(value: object, limit: int = 200) -> str:
    """Text of at most ``limit`` characters that HTML may hold: control characters become a replacement character."""
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))
    if len(text) <= limit:
        return text
    cut = limit - 1
    while cut > 1 and (unicodedata.combining(text[cut]) or text[cut] in _JOINERS):
        cut -= 1
    return text[:cut].rstrip(" " + _JOINERS) + "\N{HORIZONTAL ELLIPSIS}"


def percent(value: float, digits: int = 1) -> str:
    """0.842 as ``84.2 %``."""
    return f"{_signed(f'{value * 100:.{digits}f}')}{THIN}%" if math.isfinite(value) else "not defined"


def points(value: float) -> str:
    """A difference of shares: 0.042 as ``+4.2``, in percentage points."""
    if not math.isfinite(value):
        return "not defined"
    return _signed(f"{value * 100:+.1f}") if abs(value) >= 0.0005 else "0.0"


def bare_points(value: float) -> str:
    """A difference of shares without a plus sign or a needless nought: 0.06 as ``6``, -0.012 as ``-1.2``, for running text."""
    if not math.isfinite(value):
        return "an undefined number of"
    return _signed(f"{value * 100:.1f}".removesuffix(".0")) if abs(value) >= 0.0005 else "0"


def chance(probability: float) -> str:
    """A probability in whole per cents; it is never called certain."""
    if not math.isfinite(probability):
        return "unknown"
    if probability < 0.01:
        return f"under 1{THIN}%"
    return f"over 99{THIN}%" if probability > 0.99 else percent(probability, 0)


def plain(value: float | None) -> str:
    """A number with about three figures."""
    if value is None or not math.isfinite(value):
        return "not defined"
    if value == 0 or 0.001 <= abs(value) < 1e6:
        digits = 0 if float(value).is_integer() else 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
        text = f"{value:,.{digits}f}"
        return _signed(text.rstrip("0").rstrip(".") if "." in text else text)
    return _signed(f"{value:.1e}")


def p_value(value: float) -> str:
    """A p-value; tiny ones as a bound."""
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}" if value < 0.01 else f"{value:.3f}"


def is_share(measure: Measure) -> bool:
    """Whether a measure is a share of one."""
    return measure.unit in SHARE_UNITS


def value(measure: Measure) -> str:
    """A measure's value in its unit."""
    return percent(measure.value) if is_share(measure) else f"{plain(measure.value)} {measure.unit}".strip()


def spread(measure: Measure) -> str:
    """A measure's interval."""
    if is_share(measure):
        return f"{percent(measure.low)} to {percent(measure.high)}"
    return f"{plain(measure.low)} to {plain(measure.high)}"


def words(name: str) -> str:
    """``source_head_loglik`` as ``source head loglik``."""
    return name.replace("_", " ")


def count(number: int, noun: str) -> str:
    """``1 row``, ``450 rows``."""
    plural = noun if number == 1 else noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith("ss") else "s")
    return f"{number:,} {plural}"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def listed(names: Iterable[str]) -> str:
    """``a, b and c``."""
    items = list(names)
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def sentence(text: str) -> str:
    """With a full stop, and a capital first letter unless it begins with a name such as ``numpy-docs``."""
    stripped = text.strip()
    if not stripped:
        return ""
    ended = stripped if stripped[-1] in ".!?" else f"{stripped}."
    return ended[0].upper() + ended[1:] if stripped.split()[0].isalpha() else ended


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
