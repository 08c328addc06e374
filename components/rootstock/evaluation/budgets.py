"""Is the model quick and small enough for where it will run?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.part import Gate
from rootstock.records import Cost, GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import EvalReport, Measure

Limit = Annotated[float, Field(gt=0)] | None


class Budgets(Gate):
    """A prediction costs at most so much; null sets no limit. Measured on the shipped model, in a process of its own, by evaluate.

    ``milliseconds_per_row``: rows asked one by one, reading included; pass when the whole interval of the median is at or below the
    limit, fail when the whole of it is above, inconclusive between. ``mib`` (files that prediction reads, the pretrained base's
    included) and ``peak_mib`` (most memory of the process, its libraries included) are counted, not sampled: pass or fail. All
    three hold for the machine that the reason names, and for no other.
    """

    name: Literal["budgets"] = "budgets"
    milliseconds_per_row: Limit
    mib: Limit
    peak_mib: Limit

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        limits = {"ms a row": self.milliseconds_per_row, "MiB on disk": self.mib, "MiB of memory": self.peak_mib}
        required = "; ".join(f"at most {limit:g} {what}" for what, limit in limits.items() if limit is not None)
        cost = report.reloading.cost if report.reloading else None
        if not required or cost is None:
            verdict: Verdict = "inconclusive" if required else "pass"
            reason = _unmeasured(report) if required else "the params set no limit"
            observed = "not measured" if cost is None else _all(cost)
            return GateResult(gate=self.name, verdict=verdict, observed=observed, required=required or "no limit", reason=reason)
        answers: list[tuple[Verdict, str]] = []
        if self.milliseconds_per_row is not None:
            answers.append(_in_time(cost.milliseconds_per_row, self.milliseconds_per_row))
        for found, limit, what in ((cost.mib, self.mib, "MiB on disk"), (cost.peak_mib, self.peak_mib, "MiB of memory")):
            if limit is not None:
                said = f"{found:g} {what}, at most {limit:g} allowed"
                answers.append(("pass", said) if found <= limit else ("fail", said))
        verdicts = [each for each, _ in answers]
        verdict = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
        reason = "; ".join(said for each, said in answers if each == verdict)
        where = f"measured on {cost.machine}, {cost.threads} threads"
        return GateResult(gate=self.name, verdict=verdict, observed=_all(cost), required=required, reason=f"{reason}; {where}")


def _in_time(found: Measure, limit: float) -> tuple[Verdict, str]:
    said = f"{_time(found)}, at most {limit:g} allowed"
    if found.high <= limit:
        return "pass", said
    if found.low > limit:
        return "fail", said
    return "inconclusive", f"{said}: too near to tell; evaluate again on a machine that does nothing else"


def _time(found: Measure) -> str:
    return f"{found.value:g} ms a row ({found.low:g} to {found.high:g}, {found.n} rows)"


def _all(cost: Cost) -> str:
    return f"{_time(cost.milliseconds_per_row)}; {cost.mib:g} MiB on disk; {cost.peak_mib:g} MiB of memory"


def _unmeasured(report: EvalReport) -> str:
    if report.reloading is None:
        return "nothing was measured; set evaluation.reload: true and evaluate again"
    return f"nothing was measured: {report.reloading.failure}"
