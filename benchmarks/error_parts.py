"""Of what parts are errors of predicted gains made? The variances by which the advisor weighs a team's own outcomes.

Every family is predicted as one that was never seen, from the other families, and as one that is known in part, from these and its
own other targets. Errors are taken for the sum of a part that all share, one of the target, one of the source, one of both, and
chance (draws of labelled rows); standard deviations of the parts by maximum likelihood, in points of accuracy.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rankings import Cell, names_of, predict, read_cells
from rootstock.params import load_params
from rootstock.similarity.outcomes import bundled_outcomes
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from transfer_families import FAMILIES

PARTS = ("all", "target", "source", "target and source", "chance")
ROWS = 32
#: A part's variance is sought between so many times an equal share of all.
SMALLEST, LARGEST = 1e-4, 1e2


def main() -> None:
    """Print a table, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    metrics = load_params(Path(__file__).resolve().parent.parent / "params.yaml").similarity.metrics
    found: dict[str, dict[str, list[float]]] = {}
    for known, leave_out in (("never seen", False), ("known in part", True)):
        for family in FAMILIES:
            cells = [cell for cell in read_cells(family, metrics) if cell.rows == ROWS]
            past = tuple(o for o in bundled_outcomes() if leave_out or o.task != family)
            said = predict(family, cells, past, names_of(past), leave_out=leave_out, kindred=True)
            found.setdefault(known, {})[family] = deviations(cells, said)
    document = {"points": found, "ratios": {known: ratios(parts) for known, parts in found.items()}}
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))


def deviations(cells: list[Cell], said: dict[int, Any]) -> list[float]:
    """Standard deviation of each part, in points."""
    errors = np.concatenate([cell.gains - said[number][0] for number, cell in enumerate(cells)])
    targets = np.repeat([cell.target for cell in cells], [len(cell.sources) for cell in cells])
    sources = np.concatenate([cell.sources for cell in cells])
    one_target, one_source = (names[:, None] == names[None] for names in (targets, sources))
    kinds = [np.ones_like(one_target), one_target, one_source, one_target & one_source, np.eye(len(errors), dtype=bool)]
    start = np.log(errors.var() / len(PARTS))
    bounds = [(start + np.log(SMALLEST), start + np.log(LARGEST))] * len(PARTS)
    fitted = minimize(_loss, np.full(len(PARTS), start), args=(kinds, errors), jac=True, method="L-BFGS-B", bounds=bounds)
    return [float(value) for value in 100 * np.exp(fitted.x / 2)]


def _loss(
    log_variances: NDArray[np.float64], kinds: list[NDArray[np.bool_]], errors: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Minus the log-likelihood of errors around zero, and its gradient."""
    factor = cho_factor(sum(np.exp(each) * kind for each, kind in zip(log_variances, kinds, strict=True)))
    precision = cho_solve(factor, np.eye(len(errors)))
    weighted = precision @ errors
    loss = float(np.log(np.diag(factor[0])).sum() + 0.5 * errors @ weighted)
    slopes = [0.5 * (precision[kind].sum() - weighted @ kind @ weighted) for kind in kinds]
    return loss, np.array(slopes) * np.exp(log_variances)


def ratios(parts: dict[str, list[float]]) -> list[float]:
    """Median over the families of each part's variance, where that of chance is 1."""
    variances = np.array(list(parts.values())) ** 2
    return [float(value) for value in np.median(variances / variances[:, [PARTS.index("chance")]], axis=0)]


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for known, families in document["points"].items():
        lines.append(f"{known + ', sd in points':<28}" + "".join(f"{part:>20}" for part in PARTS))
        lines += [f"  {family:<26}" + "".join(f"{value:>20.1f}" for value in values) for family, values in families.items()]
        lines.append(f"  {'variances, median ratio':<26}" + "".join(f"{value:>20.2f}" for value in document["ratios"][known]))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
