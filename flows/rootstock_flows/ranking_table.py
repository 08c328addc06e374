"""A ranking as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rootstock.records import Candidate, Measure, SourceRanking

#: Shown where a number is not defined.
NONE = "-"
#: Candidates whose scores stand side by side.
SHOWN = 6


def ranking_rows(ranking: SourceRanking) -> list[dict[str, object]]:
    """One mapping a candidate that was scored, best first: name, predicted gain in points, risk, gain of its source so far."""
    return [
        {
            "candidate": candidate.name,
            "gain": gain_points(candidate.predicted_gain),
            "risk": NONE if candidate.risk is None else f"{100 * candidate.risk:.0f}%",
            "so far": NONE if candidate.prior is None else f"{100 * candidate.prior.value:+.1f} (n={candidate.prior.n})",
        }
        for candidate in _scored(ranking)
    ]


def score_rows(ranking: SourceRanking) -> list[dict[str, object]]:
    """One mapping a metric: its name, and the score of each of the best candidates."""
    shown = _scored(ranking)[:SHOWN]
    names = list(dict.fromkeys(name for candidate in shown for name in candidate.scores))
    return [{"score": name, **{candidate.name: _number(candidate.scores.get(name)) for candidate in shown}} for name in names]


def _scored(ranking: SourceRanking) -> list[Candidate]:
    return [candidate for candidate in ranking.candidates if candidate.excluded is None]


def _number(score: float | None) -> str:
    return NONE if score is None else f"{score:.3g}"


def gain_points(gain: Measure | None) -> str:
    """A gain in accuracy with its interval, in points."""
    return NONE if gain is None else f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def ranking_text(ranking: SourceRanking) -> str:
    """The table, the scores of the best, and what was excluded and why."""
    lines = [*aligned(ranking_rows(ranking)), "", *aligned(score_rows(ranking))]
    if (more := len(_scored(ranking)) - SHOWN) > 0:
        lines.append(f"(the scores of {more} more stand in the report, and in the answer with --json)")
    out = [candidate for candidate in ranking.candidates if candidate.excluded is not None]
    if out:
        lines += ["", "excluded:", *(f"  {candidate.name}: {candidate.excluded}" for candidate in out)]
    noted = [f"  {candidate.name}: {note}" for candidate in ranking.candidates for note in candidate.notes]
    if noted:
        lines += ["", "notes:", *noted]
    return "\n".join(lines)


def aligned(rows: Sequence[dict[str, object]]) -> list[str]:
    """Rows of equal keys as lines with columns side by side; numbers to the right, words to the left."""
    if not rows:
        return []
    columns = [[str(key), *(str(row[key]) for row in rows)] for key in rows[0]]
    padded = [_padded(column) for column in columns]
    return ["  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]


def _padded(column: Sequence[str]) -> list[str]:
    width = max(len(cell) for cell in column)
    is_numeric = all(cell == "" or cell[0] in "+-0123456789" for cell in column[1:])
    return [cell.rjust(width) if is_numeric else cell.ljust(width) for cell in column]
