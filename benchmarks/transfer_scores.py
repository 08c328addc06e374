"""Every similarity metric for every cell of the outcomes table: what the advisor would have seen before any training.

Same rows, same draws as ``transfer_outcomes.py``, whose cache of features it reads; metrics as ``params.yaml`` sets them. Only
labelled rows of the target, others of it without their labels, and the source's own rows are read, never rows that a target is
tested on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rootstock.files import write_file
from rootstock.head import Head, log_probabilities, logistic_head, scaled
from rootstock.params import load_params
from rootstock.part import Labelled, Modality, Pair, SimilarityMetric, Unlabelled, parse_part
from rootstock.similarity.crossvalidated import crossvalidated_correct
from rootstock.similarity.head_agreement import HEAD_AGREEMENT, MATCHED_CLASSES, head_agreement, votes_of
from rootstock.similarity.representation import representation_of
from rootstock_flows.environment import opt_out
from transfer_outcomes import DRAWS, LABELLED_ROWS, MAX_TOKENS, UNRELATED, Domain, read_family

REPOSITORY = Path(__file__).resolve().parent.parent
UNLABELLED_ROWS = load_params(REPOSITORY / "params.yaml").similarity.unlabelled_rows
MODALITY = parse_part(Modality, {"name": "text", "max_tokens": MAX_TOKENS})  # type: ignore[type-abstract]


def main() -> None:
    """Write ``transfer_scores_FAMILY.csv``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=["reviews", "sentiment", "docs"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="the folder given to transfer_outcomes.py")
    arguments = parser.parse_args()
    opt_out()
    metrics = load_params(REPOSITORY / "params.yaml").similarity.metrics
    domains = read_family(arguments.family, arguments.data)
    features = {
        name: np.load(arguments.cache / arguments.family / f"{name}.npz")["features"].astype(np.float64) for name in domains
    }
    heads = {
        name: logistic_head(features[name][d.source], d.labels[d.source], classes=len(d.classes), inverse_penalty=10.0)
        for name, d in domains.items()
    }
    own = {name: _own_accuracy(d, features[name]) for name, d in domains.items()}
    agreed = {name: _agreement(target, domains, features, heads) for name, target in domains.items()}
    rows = [
        row
        | {
            "source_accuracy": own.get(str(row["source"])),
            HEAD_AGREEMENT: agreed[str(row["target"])].get(str(row["source"])),
            MATCHED_CLASSES: _matched(domains, row),
        }
        for row in _cells(domains, features, heads, metrics)
    ]
    table = Path(__file__).with_name(f"transfer_scores_{arguments.family}.csv")
    write_file(table, lambda temporary: pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.5g"))


def _matched(domains: dict[str, Domain], row: dict[str, object]) -> float | None:
    """Share of the target's classes that are among the source's."""
    if not row["source"]:
        return None
    wanted, known = domains[str(row["target"])].classes, domains[str(row["source"])].classes
    return len(set(wanted) & set(known)) / len(wanted)


def _agreement(
    target: Domain, domains: dict[str, Domain], features: dict[str, NDArray[np.float64]], heads: dict[str, Head]
) -> dict[str, float | None]:
    """Source -> agreement with the other sources' heads on the target's rows without labels."""
    rows = features[target.name][target.unlabelled[:UNLABELLED_ROWS]]
    sources = [name for name in domains if name != target.name]
    votes = {name: votes_of(log_probabilities(rows, heads[name]), domains[name].classes, target.classes) for name in sources}
    return head_agreement(votes, sources=sources)


def _own_accuracy(domain: Domain, features: NDArray[np.float64]) -> float:
    """Accuracy of a linear probe on the source's own labels, five folds: what a ranker that never looks at the target goes by."""
    rows = domain.source
    correct = crossvalidated_correct(features[rows], domain.labels[rows], folds=5, repeats=1, seed=0)
    return float(correct.mean())


def _cells(
    domains: dict[str, Domain],
    features: dict[str, NDArray[np.float64]],
    heads: dict[str, Head],
    metrics: tuple[SimilarityMetric, ...],
) -> Iterator[dict[str, object]]:
    for target in domains.values():
        if target.name == UNRELATED:
            continue
        for seed in range(DRAWS):
            for count in LABELLED_ROWS:
                for source in (None, *(d for d in domains.values() if d.name != target.name)):
                    pair = _pair(target, source, features, heads, seed=seed, rows=count)
                    cell: dict[str, object] = {
                        "target": target.name, "source": source.name if source else "", "seed": seed, "labelled_rows": count,
                        "classes": len(target.classes),
                    }  # fmt: skip
                    started = time.process_time()
                    cell |= {metric.name: metric.measure(pair) for metric in metrics}
                    yield cell | {"cpu_seconds": time.process_time() - started}
        print(f"scored {target.name}", file=sys.stderr, flush=True)


def _pair(
    target: Domain, source: Domain | None, features: dict[str, NDArray[np.float64]], heads: dict[str, Head], *, seed: int, rows: int
) -> Pair:
    mine = _labelled(target, features[target.name], target.labelled(seed, rows))
    others = target.unlabelled[:UNLABELLED_ROWS]
    more = Unlabelled([target.texts[i] for i in others], features[target.name][others])
    if source is None:
        return Pair(mine, None, None, (), scaled(mine.features), MODALITY, seed, more)
    said = log_probabilities(mine.features, heads[source.name])
    lent = _labelled(source, features[source.name], source.source)
    return Pair(mine, lent, said, source.classes, representation_of(mine.features, said), MODALITY, seed, more)


def _labelled(domain: Domain, features: NDArray[np.float64], indices: NDArray[np.int64]) -> Labelled:
    chosen = features[indices]
    return Labelled([domain.texts[i] for i in indices], chosen, chosen, domain.labels[indices], domain.classes)


if __name__ == "__main__":
    main()
