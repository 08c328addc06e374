"""Fill a template of this package: every value is escaped, and a name that the template misses is an error."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from rootstock.report import wording
from rootstock.report.headline import TONES

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, context: dict[str, object]) -> str:
    """The page as text."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Not select_autoescape: it goes by the ending, and would leave ".jinja" unescaped.
    environment = Environment(
        loader=PackageLoader("rootstock", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    names = ("clip", "percent", "points", "plain", "p_value", "value", "spread", "words", "count", "duration", "sentence", "listed")
    environment.filters.update({name: getattr(wording, name) for name in names})
    environment.globals["tones"] = TONES
    return environment
