"""Every similarity metric for every cell of the outcomes table: what the advisor would have seen before any training.

Same rows, same draws as ``transfer_outcomes.py``, whose cache of features it reads; metrics as ``params.yaml`` sets them (those of
words leave pictures alone). Only
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
from rootstock.part import Labelled, Pair, SimilarityMetric, Unlabelled
from rootstock.similarity.crossvalidated import crossvalidated_correct
from rootstock.similarity.evidence import nearness_of
from rootstock.similarity.opinions import Opinions, class_means, opinions_of
from rootstock.similarity.representation import representation_of
from rootstock.similarity.shared_scores import SHARED_UNITS, shared_scores
from rootstock_flows.environment import opt_out
from transfer_families import DRAWS, FAMILIES, MODALITIES, Domain, Family, read_family
from transfer_outcomes import encoder_of

REPOSITORY = Path(__file__).resolve().parent.parent
PARAMS = {"text": "params.yaml", "image": "params-images.yaml"}


class Scorer:
    """A family with what does not depend on the draw of labelled rows: features, heads, and what these say of other rows."""

    def __init__(self, family: Family, cache: Path) -> None:
        self.family = family
        similarity = load_params(REPOSITORY / PARAMS[MODALITIES[family.name]]).similarity
        self.metrics: tuple[SimilarityMetric, ...] = similarity.metrics
        self.features = {name: np.load(cache / f"{name}.npz")["features"].astype(np.float64) for name in family.domains}
        self.heads = {name: self._head(domain) for name, domain in family.domains.items()}
        self.own_accuracy = {name: self._own_accuracy(domain) for name, domain in family.domains.items()}
        self.unlabelled = {domain.name: self._unlabelled(domain, similarity.unlabelled_rows, cache) for domain in family.targets}
        self.of_heads = {domain.name: self._of_heads(domain) for domain in family.targets}
        self.of_means = {domain.name: self._of_means(domain) for domain in family.targets}

    def _head(self, domain: Domain) -> Head:
        rows = domain.source
        return logistic_head(
            self.features[domain.name][rows], domain.labels[rows], classes=len(domain.classes), inverse_penalty=10.0
        )

    def _own_accuracy(self, domain: Domain) -> float:
        """Accuracy of a linear probe on the source's own labels, five folds: what a ranker that never sees the target goes by."""
        rows = domain.source
        return float(
            crossvalidated_correct(self.features[domain.name][rows], domain.labels[rows], folds=5, repeats=1, seed=0).mean()
        )

    def _unlabelled(self, target: Domain, count: int, cache: Path) -> Unlabelled:
        inputs = target.unlabelled[:count]
        path = cache / f"{target.name} without labels.npy"
        if not path.is_file():
            features = encoder_of(self.family, cache).load().embed(inputs, f"embedding {target.name}")
            with path.open("wb") as stream:
                np.save(stream, features)
        return Unlabelled(inputs, np.load(path))

    def _of_heads(self, target: Domain) -> dict[str, Opinions | None]:
        """Source -> what its head says of the target's rows without labels."""
        features = self.unlabelled[target.name].features
        return {
            each.name: opinions_of(log_probabilities(features, self.heads[each.name]), each.classes, target.classes)
            for each in self.family.sources_for(target)
        }

    def _of_means(self, target: Domain) -> dict[str, Opinions | None]:
        """Source -> how near the target's rows without labels lie to the means of its classes."""
        features, found = scaled(self.unlabelled[target.name].features), {}
        for each in self.family.sources_for(target):
            rows = each.source
            means = class_means(scaled(self.features[each.name][rows]), each.labels[rows], classes=len(each.classes))
            found[each.name] = opinions_of(features @ means.T, each.classes, target.classes)
        return found

    def cells(self) -> Iterator[dict[str, object]]:
        """Rows of the table."""
        for target in self.family.targets:
            for seed in range(DRAWS):
                for count in target.labelled_rows:
                    yield from self._ranking(target, seed=seed, rows=count)
            print(f"scored {target.name}", file=sys.stderr, flush=True)

    def _ranking(self, target: Domain, *, seed: int, rows: int) -> Iterator[dict[str, object]]:
        others = self.family.sources_for(target)
        measured, seconds = {}, {}
        for source in (None, *others):
            pair, name = self._pair(target, source, seed=seed, rows=rows), source.name if source else ""
            started = time.process_time()
            measured[name] = {metric.name: metric.measure(pair) for metric in self.metrics}
            seconds[name] = time.process_time() - started
        sources = [each.name for each in others]
        near = nearness_of(measured, [metric.name for metric in self.metrics if not metric.reads_labels], domains=sources)
        matched: dict[str, float | None] = {
            each.name: len(set(target.classes) & set(each.classes)) / len(target.classes) for each in others
        }
        shared = shared_scores(self.of_heads[target.name], self.of_means[target.name], matched, near)
        for name, scores in measured.items():
            yield {
                "target": target.name, "source": name, "seed": seed, "labelled_rows": rows, "classes": len(target.classes),
                **scores, "cpu_seconds": seconds[name], "source_accuracy": self.own_accuracy.get(name),
                **shared.get(name, dict.fromkeys(SHARED_UNITS)),
            }  # fmt: skip

    def _pair(self, target: Domain, source: Domain | None, *, seed: int, rows: int) -> Pair:
        mine, more = self._labelled(target, target.labelled(seed, rows)), self.unlabelled[target.name]
        if source is None:
            return Pair(mine, None, None, (), scaled(mine.features), self.family.modality, seed, more)
        said = log_probabilities(mine.features, self.heads[source.name])
        lent, seen = self._labelled(source, source.source), representation_of(mine.features, said)
        return Pair(mine, lent, said, source.classes, seen, self.family.modality, seed, more)

    def _labelled(self, domain: Domain, indices: NDArray[np.int64]) -> Labelled:
        chosen = self.features[domain.name][indices]
        return Labelled([domain.inputs[i] for i in indices], chosen, chosen, domain.labels[indices], domain.classes)


def main() -> None:
    """Write ``transfer_scores_FAMILY.csv``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="the folder given to transfer_outcomes.py")
    arguments = parser.parse_args()
    opt_out()
    cache = arguments.cache / arguments.family
    rows = list(Scorer(read_family(arguments.family, arguments.data, cache), cache).cells())
    table = Path(__file__).with_name(f"transfer_scores_{arguments.family}.csv")
    write_file(table, lambda temporary: pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.5g"))


if __name__ == "__main__":
    main()
