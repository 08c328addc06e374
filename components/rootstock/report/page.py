"""Fill a template of this package: every value is escaped, and a name that the template misses is an error."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from rootstock.report import wording
from rootstock.report.headline import TONES

if TYPE_CHECKING:
    from jinja2 import Environment

#: Functions of ``wording`` that templates use.
FILTERS = (
    *("clip", "words", "sentence", "listed", "count", "duration"),
    *("percent", "points", "bare_points", "chance", "plain", "p_value", "value", "spread"),
)


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
    environment.filters.update({name: getattr(wording, name) for name in FILTERS})
    environment.globals["tones"] = TONES
    return environment
