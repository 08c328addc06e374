"""Was the model made and measured with data that may be relied on?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.part import Gate
from rootstock.records import DataFacts, GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import EvalReport


class Data(Gate):
    """The target passed validation, its test rows were looked for in the source, and hardly any was learned from.

    Pass when every check of the target passed, the source that was learned from was searched for rows of the test, and the model
    and those it stands on learned from a share of at most ``max_learned_share`` of the inputs it was measured on; fail when one of
    these is not so. Inconclusive where the evaluation holds no such facts. Counted, not sampled: no error rate.
    """

    name: Literal["data"] = "data"
    max_learned_share: Annotated[float, Field(ge=0, lt=1)]

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        required = f"all checks passed; test rows sought in the source; at most {self.max_learned_share:.1%} of them learned from"
        facts = report.data
        if facts is None:
            reason = "the evaluation does not say what the data was; run the evaluate stage again"
            return GateResult(gate=self.name, verdict="inconclusive", observed="not known", required=required, reason=reason)
        wrong = list(self._wrong(facts))
        verdict: Verdict = "fail" if wrong else "pass"
        observed = _shown(facts)
        return GateResult(
            gate=self.name, verdict=verdict, observed=observed, required=required, reason="; ".join(wrong) or observed
        )

    def _wrong(self, facts: DataFacts) -> list[str]:
        said = [f"the target failed {check}" for check in facts.failed_checks]
        if not facts.validated and not said:
            said.append("the target did not pass validation")
        said += [
            f"the test rows were not sought among the rows of {source}; prepare the data again"
            for source, dropped in facts.contamination.items()
            if dropped is None
        ]
        if facts.learned_rows > self.max_learned_share * facts.rows:
            said.append(
                f"the model, or one that it stands on, learned from {facts.learned_rows} of {facts.rows} rows it was measured on, "
                f"more than {self.max_learned_share:.1%}; remove them from the training rows"
            )
        return said


def _shown(facts: DataFacts) -> str:
    passed = facts.checks - len(facts.failed_checks)
    dropped = [
        f"{count} rows of {source} dropped as contaminated" for source, count in facts.contamination.items() if count is not None
    ]
    learned = f"{facts.learned_rows} of {facts.rows} test rows learned from"
    return "; ".join([f"{passed} of {facts.checks} checks of the target passed", *dropped, learned])
