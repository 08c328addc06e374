"""What learning from each source really gains, measured: the table that predictions are judged against.

Every domain of a family is a target once; every other domain, and an unrelated one, is a source. The backbone learns the source
(texts: LoRA in the last layer, the layers below it frozen and computed once a row; images: all of a small network); then a head is
fitted on k labelled rows of the target, drawn towards the source's own head where the labels are the same, its penalty chosen by
cross-validation, as the fine-tuning stage does. No transfer is the same head on the backbone as it was published. Rows are tested
that no draw of labelled rows contains; accuracy is kept for either half of them too, as the best of one half, tested on the other,
tells how much of a difference is chance. Finished (seed, source) pairs are kept, so the script can be stopped and goes on, and two
can run side by side with different ``--seeds``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from rootstock.encoder import Encoder
from rootstock.files import write_file, write_text
from rootstock.finetuning.crossvalidate import Option, score_options, take
from rootstock.finetuning.frozen_prefix import split_encoder
from rootstock.finetuning.hidden_states import through_prefix
from rootstock.finetuning.loop import train
from rootstock.finetuning.optimisation import Optimisation
from rootstock.head import Head, log_probabilities, logistic_head, match_classes
from rootstock.part import FineTuneMethod, Rows, Start, parse_part
from rootstock.records import JOINT
from rootstock.rows import EncoderSource, bare_encoder
from rootstock.source_data import join_rows, joined_labels
from rootstock_flows.environment import opt_out
from transfer_families import DRAWS, FAMILIES, SOURCE_ROWS, Domain, Family, read_family

EPOCHS = 2
PENALTIES = (0.1, 1.0, 10.0, 100.0)
PROBE = parse_part(FineTuneMethod, {"name": "linear_probe", "regularisations": PENALTIES})  # type: ignore[type-abstract]


def encoder_of(family: Family, cache: Path) -> EncoderSource:
    """The family's backbone as it was published."""
    return bare_encoder(family.backbone, family.modality, pooling="mean", batch_rows=64, cache_folder=cache)


class Bench:
    """A family with every row computed as far as no tuning changes it, kept in ``cache``."""

    def __init__(self, family: Family, cache: Path) -> None:
        self.family, self.cache = family, cache
        self.bare = encoder_of(family, cache)
        whole = self.bare.load()
        self.layers = int(getattr(whole.model.config, "num_hidden_layers", 0)) - 1
        some = next(iter(family.domains.values())).inputs
        self._whole, self._parts = whole, None if family.method else split_encoder(whole, self.layers, some)
        self.rows = {name: self._computed(domain) for name, domain in family.domains.items()}

    @property
    def untuned(self) -> Encoder:
        """What reads the computed rows where nothing is tuned."""
        return self._parts[1] if self._parts else self._whole

    def _computed(self, domain: Domain) -> Rows:
        path = self.cache / f"{domain.name}.npz"
        if path.is_file():
            kept = np.load(path)
            features = kept["features"].astype(np.float64)
            if self._parts is None:
                return Rows(list(domain.inputs), domain.labels, features)
            return Rows(np.split(kept["states"], np.cumsum(kept["lengths"])[:-1]), domain.labels, features)
        rows = Rows(list(domain.inputs), domain.labels, np.zeros((len(domain.inputs), 1)))
        kept = {}
        if self._parts is not None:
            states = through_prefix(self._parts[0], rows, label=f"frozen layers, {domain.name}")
            assert states is not None
            kept = {"states": np.concatenate(states.inputs), "lengths": np.array([len(row) for row in states.inputs])}
            rows = states
        features = self.untuned.embed(rows.inputs, f"embedding {domain.name}")

        def save(temporary: Path) -> None:
            with temporary.open("wb") as stream:
                np.savez(stream, features=features.astype(np.float32), **kept)

        write_file(path, save)
        return replace(rows, features=features)

    def tune(self, *domains: Domain, seed: int, rows_at_most: int = SOURCE_ROWS, epochs: int = EPOCHS) -> tuple[Encoder, Head]:
        """What reads computed rows after learning the source, or several, and their own head, in the order of ``classes_of``.

        ``epochs`` are of texts; images are learned as the family's method says.
        """
        mine = joined(domains, [self._lent(domain, seed=seed, rows_at_most=rows_at_most) for domain in domains])
        classes, name = len(classes_of(*domains)), JOINT.join(domain.name for domain in domains)
        torch.manual_seed(seed)
        if self.family.method is not None:
            start = Start(self.bare.load, classes, None)
            fitted = self.family.method.fit(start, mine, heldout=None, setting=None, seed=seed)
            assert fitted.encoder is not None
            return fitted.encoder, fitted.head
        whole = self.bare.load()
        config = LoraConfig(
            r=8, lora_alpha=16, lora_dropout=0.1, target_modules=["query", "value"], layers_to_transform=[self.layers], bias="none"
        )
        adapted = get_peft_model(whole.model, config)
        parts = split_encoder(replace(whole, model=adapted.base_model.model), self.layers, domains[0].inputs)
        assert parts is not None
        head = logistic_head(mine.features, mine.labels, classes=classes, inverse_penalty=10.0)
        steps = Optimisation(1e-3, 1e-2, 0.01, 16, epochs, epochs, 0.1, seed, 0.0, False, None)
        fitted = train(parts[1], mine, head=head, heldout=None, optimisation=steps, label=f"learning {name}")
        return parts[1], fitted.head

    def _lent(self, domain: Domain, *, seed: int, rows_at_most: int) -> Rows:
        order = np.random.default_rng((13, seed)).permutation(domain.source)
        return take(self.rows[domain.name], np.sort(order[:rows_at_most]) if rows_at_most < len(order) else domain.source)

    def try_on(self, target: Domain, encoder: Encoder, *, prior: Head | None, seed: int) -> list[dict[str, object]]:
        """Accuracy on the target's test rows and on either half of them, for every number of labelled rows."""
        needed = np.unique(np.concatenate([target.test, *(target.labelled(seed, rows) for rows in target.labelled_rows)]))
        features = np.zeros((len(target.inputs), self.rows[target.name].features.shape[1]))
        features[needed] = encoder.embed([self.rows[target.name].inputs[i] for i in needed])
        return [
            {
                "labelled_rows": rows, "accuracy": whole, "accuracy_first": first, "accuracy_second": second,
                "test_rows": len(target.test),
            }
            for rows, whole, first, second in accuracies(features, target, prior=prior, seed=seed)
        ]  # fmt: skip


def classes_of(*domains: Domain) -> tuple[str, ...]:
    """Classes of all domains, sorted."""
    return joined_labels([domain.classes for domain in domains])


def joined(domains: Sequence[Domain], parts: Sequence[Rows]) -> Rows:
    """Rows of several domains, one after another, with indices in ``classes_of`` them."""
    return join_rows(parts, [domain.classes for domain in domains])


def accuracies(
    features: NDArray[np.float64], domain: Domain, *, prior: Head | None, seed: int
) -> Iterator[tuple[int, float, float, float]]:
    """(labelled rows, test accuracy, that of either half) of a head on features (n, d) of the target."""
    for count in domain.labelled_rows:
        chosen = domain.labelled(seed, count)
        start = Start(_never, len(domain.classes), prior)
        rows = Rows([domain.inputs[i] for i in chosen], domain.labels[chosen], features[chosen])
        option = Option(PROBE, None, start, rows)
        setting = score_options([option], folds=4, seed=seed, eligible=np.ones(len(chosen), dtype=bool))[0].setting
        head = PROBE.fit(start, rows, heldout=None, setting=setting, seed=seed).head
        correct = log_probabilities(features[domain.test], head).argmax(axis=1) == domain.labels[domain.test]
        yield count, float(correct.mean()), float(correct[::2].mean()), float(correct[1::2].mean())


def _never() -> Encoder:
    raise AssertionError("a probe reads features, never the encoder")


def measure(bench: Bench, source: Domain | None, *, seed: int) -> list[dict[str, object]]:
    """Rows of the table for every target that learns from this source."""
    started = time.process_time()
    encoder, head = (bench.untuned, None) if source is None else bench.tune(source, seed=seed)
    tuning = time.process_time() - started
    found: list[dict[str, object]] = []
    for target in bench.family.targets:
        if source is not None and target.name == source.name:
            continue
        prior = match_classes(head, source.classes, target.classes) if source and head else None
        facts = {"family": bench.family.name, "target": target.name, "source": source.name if source else "", "seed": seed}
        tried = bench.try_on(target, encoder, prior=prior, seed=seed)
        found += [facts | each | {"source_tuning_cpu_seconds": round(tuning, 2)} for each in tried]
    return found


def main() -> None:
    """Measure what is not kept yet, and write the table of all that is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder for hidden states, about 2 GB")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(DRAWS)))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    opt_out()
    torch.set_num_threads(arguments.threads)
    cache = arguments.cache / arguments.family
    (cache / "outcomes").mkdir(parents=True, exist_ok=True)
    bench = Bench(read_family(arguments.family, arguments.data, cache), cache)
    for seed in arguments.seeds:
        for source in (None, *bench.family.domains.values()):
            path = cache / "outcomes" / f"{seed}-{source.name if source else 'no transfer'}.json"
            if not path.is_file():
                new = measure(bench, source, seed=seed)
                write_text(path, json.dumps(new))
                print(f"{path.stem}: {np.mean([row['accuracy'] for row in new]):.3f}", file=sys.stderr, flush=True)  # type: ignore[misc]
    entries: list[Any] = [entry for path in (cache / "outcomes").glob("*.json") for entry in json.loads(path.read_text("utf-8"))]
    frame = pd.DataFrame(entries).sort_values(["seed", "source", "target", "labelled_rows"])
    table = Path(__file__).with_name(f"transfer_outcomes_{arguments.family}.csv")
    write_file(table, lambda temporary: frame.to_csv(temporary, index=False, float_format="%.6g"))


if __name__ == "__main__":
    main()
